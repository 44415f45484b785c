// The scripts within workflows of GitHub, by shellcheck.
//
//     lint_workflows.mjs SHELLCHECK FILE...

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

const [shellcheck, ...files] = process.argv.slice(2);

// The lines of every `run: |`, as far as they are indented; a single line counts as one.
function scriptsOf(text) {
  const lines = text.split("\n");
  const found = [];
  for (let at = 0; at < lines.length; at++) {
    const begin = /^(\s*)(?:- )?run: (.*)$/.exec(lines[at]);
    if (!begin) continue;
    if (begin[2] !== "|") {
      found.push({ line: at + 1, text: begin[2] });
      continue;
    }
    const body = [];
    const line = at + 1;
    while (at + 1 < lines.length && (lines[at + 1] === "" || lines[at + 1].startsWith(`${begin[1]}  `))) {
      body.push(lines[++at].slice(begin[1].length + 2));
    }
    found.push({ line, text: body.join("\n") });
  }
  return found;
}

let problems = 0;
let scripts = 0;
for (const file of files) {
  for (const script of scriptsOf(readFileSync(file, "utf8"))) {
    scripts++;
    const checked = spawnSync(shellcheck, ["-s", "bash", "-"], {
      input: script.text,
      encoding: "utf8",
    });
    if (checked.status !== 0) {
      console.error(`${file}:${script.line}: ${checked.stdout}${checked.stderr}`);
      problems++;
    }
  }
}
console.log(`shellcheck: ${scripts} scripts in ${files.length} workflows`);
// None at all would mean that they are not found any more.
process.exitCode = problems === 0 && scripts > 0 ? 0 : 1;
