/** `node updater.js prepare|run SETTINGS.json` */
export {};
