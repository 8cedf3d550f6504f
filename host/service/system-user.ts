import { HOST_STATE_DIR, UPDATER_USER } from "../../names";

/** Written before the account is made: only an account that we made is removed. */
const MARKER = `${HOST_STATE_DIR}/user-made`;

/** Sh (for `hostScript`): the updater's account, if it is missing. */
export function makeUser(): string {
  return `if ! id -u ${UPDATER_USER} >/dev/null 2>&1; then
  mkdir -p ${HOST_STATE_DIR}
  : >${MARKER}
  useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin \\
    --comment "updater of the control-plane endpoint" ${UPDATER_USER}
fi`;
}

/** Sh (for `hostScript`): takes the account away, if we made it. */
export function dropUser(): string {
  return `if [ -e ${MARKER} ]; then
  ! id -u ${UPDATER_USER} >/dev/null 2>&1 || userdel ${UPDATER_USER}
  rm -f ${MARKER}
fi`;
}
