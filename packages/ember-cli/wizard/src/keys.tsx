// Keys, one after another, to the screen that is there when they are looked at.
//
// Ink hands over whatever came in one read: a pasted key with its line end, or two keys typed while a slow machine drew.
// And a screen that is about to come does not listen yet. Here a read is taken apart, and what nobody heard waits.

import { useInput } from "ink";
import { createContext, type ReactNode, useContext, useLayoutEffect, useMemo, useRef, useState } from "react";

export type Key = { text: string } | "enter" | "back" | "delete" | "clear" | "up" | "down" | "page up" | "page down" | "quit";
type Hear = (key: Key) => void;

class Keyboard {
  #waiting: Key[] = [];
  #hear: Hear | null = null;

  press(...keys: Key[]): void {
    this.#waiting.push(...keys);
    this.#serve();
  }

  attach(hear: Hear): () => void {
    this.#hear = hear;
    this.#serve();
    return () => {
      if (this.#hear === hear) this.#hear = null;
    };
  }

  /** The screen is over: what is typed from now on is for the next one. */
  detach(): void {
    this.#hear = null;
  }

  #serve(): void {
    while (this.#hear !== null && this.#waiting.length > 0) this.#hear(this.#waiting.shift()!);
  }
}

const Shared = createContext<Keyboard | null>(null);

export function Keys({ children }: { children: ReactNode }) {
  const keyboard = useMemo(() => new Keyboard(), []);
  useInput((input, key) => {
    if (key.ctrl && input === "c") keyboard.press("quit");
    else if (key.escape) keyboard.press("back");
    else if (key.upArrow) keyboard.press("up");
    else if (key.downArrow) keyboard.press("down");
    else if (key.pageUp) keyboard.press("page up");
    else if (key.pageDown) keyboard.press("page down");
    else if (key.return) keyboard.press("enter");
    else if (key.backspace || key.delete) keyboard.press("delete");
    else if (key.ctrl && input === "u") keyboard.press("clear");
    else if (!key.ctrl && !key.meta) keyboard.press(...apart(input));
  });
  return <Shared.Provider value={keyboard}>{children}</Shared.Provider>;
}

/** Hear keys for as long as the caller is on the screen. `hear` may be another function at every render. */
export function useKeys(hear: Hear): void {
  const keyboard = useContext(Shared);
  if (keyboard === null) throw new Error("useKeys outside of Keys");
  const latest = useRef(hear);
  latest.current = hear;
  useLayoutEffect(() => keyboard.attach((key) => latest.current(key)), [keyboard]);
}

/** A function that says that this screen wants no more keys. */
export function useLeave(): () => void {
  const keyboard = useContext(Shared)!;
  return () => keyboard.detach();
}

/** A state whose newest value can be read at once, by the next key of the same read. */
export function useNow<T>(first: T): [T, () => T, (value: T) => void] {
  const [shown, show] = useState(first);
  const now = useRef(first);
  return [
    shown,
    () => now.current,
    (value) => {
      now.current = value;
      show(value);
    },
  ];
}

function apart(input: string): Key[] {
  const pieces = input.replaceAll("\r\n", "\r").split(/([\r\n\x7f\b\x03\x15])/);
  const named: Record<string, Key> = { "\r": "enter", "\n": "enter", "\x7f": "delete", "\b": "delete", "\x03": "quit", "\x15": "clear" };
  // What is left of other control characters has no business in a key or a model's name.
  return pieces.flatMap((piece) => {
    const text = piece.replaceAll(/[\x00-\x1f]/g, "");
    return named[piece] ?? (text === "" ? [] : [{ text }]);
  });
}
