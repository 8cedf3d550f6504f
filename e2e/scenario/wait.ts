export { waitUntil, type WaitOptions } from "../../tools/src/index";
