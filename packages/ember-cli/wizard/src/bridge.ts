import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Methods } from "./protocol.js";

type Waiting = { resolve: (result: never) => void; reject: (error: Error) => void; tell: (event: never) => void };

/** Ember, at the other end of a pair of pipes. Closing ours ends it. */
export class Bridge {
  #child: ChildProcess;
  #waiting = new Map<number, Waiting>();
  #next = 1;
  #said = "";

  constructor(python: string, args: string[] = ["-m", "ember.cli.bridge"]) {
    // Its own group: Ctrl-C in the terminal is the wizard's to answer, and must not end a write half-way.
    this.#child = spawn(python, args, { stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stderr?.on("data", (bytes) => (this.#said = (this.#said + bytes).slice(-2000)));
    this.#child.on("error", (error) => this.#end(`${python} cannot be started: ${error.message}`));
    this.#child.on("close", (code) => this.#end(`Ember ended (exit ${code}). ${this.#said.trim().split("\n").at(-1) ?? ""}`));
    this.#child.stdin?.on("error", () => {}); // "close" says it better
    createInterface({ input: this.#child.stdout! }).on("line", (line) => this.#hear(line));
  }

  ask<M extends keyof Methods>(
    method: M,
    params: Methods[M]["params"],
    tell: (event: Methods[M]["event"]) => void = () => {},
  ): Promise<Methods[M]["result"]> {
    return new Promise((resolve, reject) => {
      if (this.#child.exitCode !== null) return reject(new Error(`Ember has ended. ${this.#said.trim()}`));
      const id = this.#next++;
      this.#waiting.set(id, { resolve, reject, tell: tell as (event: never) => void });
      this.#child.stdin?.write(`${JSON.stringify({ id, method, params })}\n`);
    });
  }

  close(): void {
    this.#child.stdin?.end();
  }

  #hear(line: string): void {
    const { id, event, result, error } = JSON.parse(line);
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    if (event !== undefined) return waiting.tell(event as never);
    this.#waiting.delete(id);
    if (error !== undefined) waiting.reject(new Error(error.message));
    else waiting.resolve(result as never);
  }

  #end(why: string): void {
    for (const { reject } of this.#waiting.values()) reject(new Error(why));
    this.#waiting.clear();
  }
}
