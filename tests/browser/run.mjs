// Runs a Python script of the repository in Pyodide, as a browser would: `node run.mjs PYODIDE_FOLDER SCRIPT FOLDER=PLACE...`.
import { pathToFileURL } from "node:url";
import { readFileSync } from "node:fs";

const [home, script, ...folders] = process.argv.slice(2);
const ours = Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith("NETSPEC_")));
const { loadPyodide } = await import(pathToFileURL(home + "/pyodide.mjs"));
const python = await loadPyodide({ indexURL: home, fullStdLib: false, env: { HOME: "/home", ...ours } });
for (const pair of folders) {
  const [root, place] = pair.split("=");
  python.FS.mkdirTree(place);
  python.FS.mount(python.FS.filesystems.NODEFS, { root }, place);
}
python.globals.set("__name__", "__main__");
try {
  python.runPython(readFileSync(script, "utf-8"));
} catch (fault) {
  console.error(fault.message); // without the megabyte of source that node would show
  process.exitCode = 1;
}
