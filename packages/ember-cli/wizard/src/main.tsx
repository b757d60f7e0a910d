// The wizard of `ember setup`. It is started by the ember command, which names the Python to talk to in EMBER_PYTHON.
//
// Exit codes: 0 all is written; 1 it failed, with the reason on stderr; 130 left by the user, nothing is written;
// 78 this Node cannot run it, so that the command asks in plain text instead.

import { render } from "ink";
import { Bridge } from "./bridge.js";
import { type Left, Wizard } from "./Wizard.js";
import type { Wanted } from "./plan.js";
import { type Hello, PROTOCOL } from "./protocol.js";

const CANNOT = 78;

async function main(): Promise<number> {
  const python = process.env.EMBER_PYTHON;
  if (python === undefined || !process.stdin.isTTY || !process.stdout.isTTY) {
    console.error("This is a part of `ember setup`, and is started by it, in a terminal.");
    return CANNOT;
  }
  const wanted: Wanted = JSON.parse(process.argv[2] ?? "{}"); // never a key
  const bridge = new Bridge(python);
  let hello: Hello;
  try {
    hello = await bridge.ask("hello", { protocol: PROTOCOL });
    if (hello.protocol !== PROTOCOL) throw new Error(`Ember speaks version ${hello.protocol} of the wizard's language, and the wizard ${PROTOCOL}.`);
  } catch (error) {
    console.error((error as Error).message);
    bridge.close();
    return CANNOT;
  }
  let left: Left = "quit";
  const { waitUntilExit } = render(<Wizard hello={hello} wanted={wanted} bridge={bridge} onLeave={(how) => (left = how)} />, { exitOnCtrlC: false });
  await waitUntilExit();
  bridge.close();
  if ((left as Left) === "quit") console.error("Left. Nothing was written.");
  return (left as Left) === "done" ? 0 : 130;
}

process.exitCode = Number(process.versions.node.split(".")[0]) < 20 ? CANNOT : await main();
