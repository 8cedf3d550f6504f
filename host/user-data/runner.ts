import { HOST_STATE_DIR, PRODUCT } from "../../names";
import type { Sh } from "../part";
import { HOST_PATH, quote } from "../shell";
import { shareText } from "./share-text";

/** All files of a first boot; it goes when the first boot has succeeded. */
export const FIRST_BOOT_DIR = `${HOST_STATE_DIR}/first-boot`;

/** The program that makes the steps. */
export const RUNNER = `${FIRST_BOOT_DIR}/run`;

/** Why the first boot has failed; it is there only then. */
export const FAILED_FILE = `${FIRST_BOOT_DIR}/failed`;

/** What all steps have printed; for root alone. */
export const FIRST_BOOT_LOG = `/var/log/${PRODUCT}-first-boot.log`;

/** A step as the runner makes it. */
export interface RunnerStep {
  readonly name: string;
  readonly deadlineSeconds: number;
  /** A host script, or the file on the host that holds it. */
  readonly script: Sh | { readonly file: string };
}

/** What `runnerScript` renders. */
export interface RunnerPlan {
  readonly stack: string;
  /** Default: the hostname, in lower case as kubeadm takes it. */
  readonly node?: string;
  readonly beforeKubeadm: readonly RunnerStep[];
  readonly afterKubeadm: readonly RunnerStep[];
}

/** The two points of a boot, as words of the runner. */
export const PHASES = { beforeKubeadm: "before-kubeadm", afterKubeadm: "after-kubeadm" } as const;

const END_OF_STEP = "END_OF_STEP";

/**
 * The program of a first boot: `sh RUNNER before-kubeadm|after-kubeadm|again`.
 *
 * It makes the steps of a phase in order, each with a deadline. After one that fails it makes no
 * other, and exits with 1; the reason stands in FAILED_FILE, on the console, in the journal and in
 * `cloud-init status --long`. `again` goes on after a repair: the steps are idempotent. A truncated
 * text runs nothing.
 *
 * @throws Error when a script holds the line that ends a text in the program
 */
export function runnerScript({ stack, node, beforeKubeadm, afterKubeadm }: RunnerPlan): string {
  const all = [...beforeKubeadm, ...afterKubeadm];
  const { blocks, texts } = shareText(all.flatMap(({ script }) => inlineText(script)));
  const own = [...texts];
  const phase = (steps: readonly RunnerStep[]): Sh =>
    [
      ":",
      ...steps.map((each, index) => stepCall(each, `${index + 1} of ${steps.length}`, own)),
    ].join("\n");
  return `# Makes this machine's first boot. usage: sh ${RUNNER} before-kubeadm | after-kubeadm | again
# shellcheck disable=SC2016 # texts that other shells expand
set -eu
LC_ALL=C
PATH=${HOST_PATH}
export LC_ALL PATH
umask 077
stack=${quote(stack)}
node=${node === undefined ? "$(uname -n | tr '[:upper:]' '[:lower:]')" : quote(node)}
${FUNCTIONS}
${blocks.map((text, index) => `${blockName(index)}() {\n${print(text)}\n}\n`).join("")}before_kubeadm() {
${phase(beforeKubeadm)}
}
after_kubeadm() {
${phase(afterKubeadm)}
}
main "$@"
`;
}

function inlineText(script: RunnerStep["script"]): string[] {
  if (typeof script !== "string") return [];
  return [script.endsWith("\n") ? script : `${script}\n`];
}

/** @param own texts of the steps that are left; a step takes its own */
function stepCall(
  { name, deadlineSeconds, script }: RunnerStep,
  place: string,
  own: (readonly (string | number)[])[],
): Sh {
  const call = `step ${quote(name)} ${quote(place)} ${deadlineSeconds}`;
  if (typeof script !== "string") return `${call} <${quote(script.file)}`;
  const pieces: readonly (string | number)[] = own.shift() ?? [];
  const prints = pieces.map((each) => (typeof each === "number" ? blockName(each) : print(each)));
  return `{\n${prints.join("\n")}\n} >"$run_dir/script"\n${call} <"$run_dir/script"`;
}

function blockName(index: number): string {
  return `text_${index + 1}`;
}

/** Sh that prints whole lines. */
function print(text: string): Sh {
  if (text.split("\n").includes(END_OF_STEP)) {
    throw new Error(`a script of a first boot holds a line ${END_OF_STEP}: leave that line out`);
  }
  return `cat <<'${END_OF_STEP}'\n${text}${END_OF_STEP}`;
}

/** What cloud-init runs: all `runcmd` of a machine as one script. */
const CLOUD_INIT_SCRIPT = "/var/lib/cloud/instance/scripts/runcmd";

/** Cluster API's bootstrap provider has the folder made, and writes the file after kubeadm. */
const CLUSTER_API = { folder: "/run/cluster-api", success: "bootstrap-success.complete" };

// The step's output is in memory, so that a full disk does not hide its reason. No pipe: a process
// that a step leaves behind would keep the runner waiting for its end.
const FUNCTIONS = `run_dir=/run/${PRODUCT}-first-boot
say() { printf 'first boot: %s\\n' "$*"; }
begin() { # phase
  [ "$(id -u)" -eq 0 ] || {
    say "must run as root: use sudo"
    exit 1
  }
  phase=$1
  mkdir -p "$run_dir"
  exec 8>"$run_dir/lock"
  flock -n 8 || {
    say "another run goes on: wait for its end"
    exit 1
  }
}
step() { # name, place, seconds; its script on stdin
  say "$phase, step $2: $1"
  step_code=0
  timeout --kill-after=10 "$3" sh -s -- apply "$stack" "$node" >"$run_dir/output" 2>&1 8>&- || step_code=$?
  {
    printf '== %s %s, step %s: %s\\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$phase" "$2" "$1"
    cat "$run_dir/output"
  } 2>/dev/null >>${FIRST_BOOT_LOG} || :
  case $step_code in
    0) ;;
    124) failed "$1" "step $2" "was stopped after $3 s" ;;
    137) failed "$1" "step $2" "was killed (it may take $3 s)" ;;
    *) failed "$1" "step $2" "ended with exit code $step_code" ;;
  esac
}
failed() { # what, its place, what happened; the end of its output tells why
  {
    printf '${PRODUCT}: the first boot of %s failed: %s (%s, %s) %s at %s\\n' "$node" "$1" "$phase" "$2" "$3" "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
    tail -n 20 "$run_dir/output" |
      sed -e 's/[a-z0-9]\\{6\\}\\.[a-z0-9]\\{16\\}/<token>/g' -e 's/eyJ[A-Za-z0-9._-]*/<token>/g' -e 's/[0-9a-fA-F]\\{64\\}/<hash or key>/g' -e 's/^/  /'
    printf 'Nothing after it has run. Log: %s. After a repair: sh %s again\\n' ${FIRST_BOOT_LOG} ${RUNNER}
  } >"$run_dir/reason"
  reason_file=${FAILED_FILE}
  if ! { cp "$run_dir/reason" ${FAILED_FILE}.new && sync ${FAILED_FILE}.new && mv ${FAILED_FILE}.new ${FAILED_FILE}; } 2>/dev/null; then
    reason_file=$run_dir/reason
  fi
  say "$1 ($2) $3: see $reason_file"
  timeout 5 sh -c 'cat "$1" >/dev/console' sh "$run_dir/reason" 2>/dev/null || :
  systemd-cat --identifier=${PRODUCT}-first-boot --priority=err cat "$run_dir/reason" 2>/dev/null || :
  report
  exit 1
}
report() { # shows the reason in cloud-init's status, which cloud-init writes when its last stage ends
  [ -e /run/cloud-init/status.json ] || return 0
  systemd-run --quiet --collect --no-block --unit=${PRODUCT}-first-boot-report --property=After=cloud-final.service \\
    sh ${RUNNER} report 2>/dev/null || say "the reason cannot be shown in cloud-init's status"
}
put_report() { # a file in memory replaces the link to cloud-init's own, which stays as it is
  python3 - /run/cloud-init/status.json "$run_dir/reason" <<'END_OF_REPORT'
import json, os, sys

path, reason = sys.argv[1:]
with open(path) as file:
    status = json.load(file)
stage = status["v1"].setdefault("modules-final", {})
errors = [each for each in stage.get("errors", []) if not each.startswith("${PRODUCT}:")]
if os.path.exists(reason):
    with open(reason) as file:
        errors.append(file.read().strip())
stage["errors"] = errors
with open(path + ".new", "w") as file:
    json.dump(status, file, indent=1)
os.chmod(path + ".new", 0o644)
os.replace(path + ".new", path)
END_OF_REPORT
}
need_kubeadm() { # under Cluster API, whose commands go on after a kubeadm that failed
  [ -d ${CLUSTER_API.folder} ] || return 0
  [ ! -e ${CLUSTER_API.folder}/${CLUSTER_API.success} ] || return 0
  tail -n 20 /var/log/cloud-init-output.log >"$run_dir/output" 2>/dev/null || :
  failed kubeadm "between the steps" "has not succeeded"
}
forget_failure() {
  [ -e ${FAILED_FILE} ] || [ -e "$run_dir/reason" ] || return 0
  rm -f ${FAILED_FILE} "$run_dir/reason"
  [ ! -e /run/cloud-init/status.json ] || put_report || say "cloud-init's status still shows the former failure"
}
main() {
  case \${1:-} in
    before-kubeadm)
      begin "before kubeadm"
      forget_failure
      before_kubeadm
      say "all steps before kubeadm have succeeded"
      ;;
    after-kubeadm)
      begin "after kubeadm"
      forget_failure
      need_kubeadm
      after_kubeadm
      say "all steps have succeeded"
      rm -rf ${FIRST_BOOT_DIR} "$run_dir"
      ;;
    again)
      # with the user's own commands, and kubeadm
      [ ! -e ${CLOUD_INIT_SCRIPT} ] || exec sh ${CLOUD_INIT_SCRIPT}
      sh ${RUNNER} ${PHASES.beforeKubeadm}
      exec sh ${RUNNER} ${PHASES.afterKubeadm}
      ;;
    report) put_report ;;
    *)
      say "got '\${1:-}', expected ${PHASES.beforeKubeadm}, ${PHASES.afterKubeadm} or again"
      exit 2
      ;;
  esac
}`;
