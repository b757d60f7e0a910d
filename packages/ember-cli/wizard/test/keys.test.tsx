import { Text } from "ink";
import { render } from "ink-testing-library";
import { useState } from "react";
import { expect, test, vi } from "vitest";
import { Keys } from "../src/keys.js";
import { Choices, Field } from "../src/widgets.js";

const nothing = () => {};

/** Two screens, one after the other: what is chosen, then a text. */
function Two({ onDone }: { onDone: (...told: unknown[]) => void }) {
  const [marked, setMarked] = useState<string[] | null>(null);
  const options = ["a", "b", "c"].map((value) => ({ value, label: value }));
  return (
    <Keys>
      {marked === null ? (
        <Choices options={options} marked={[]} onBack={nothing} onQuit={() => onDone("quit")} onDone={(_, marked) => setMarked(marked)} />
      ) : (
        <Field label="Key" secret onBack={() => setMarked(null)} onQuit={() => onDone("quit")} onDone={(text) => onDone(marked, text)} />
      )}
      <Text>end</Text>
    </Keys>
  );
}

test("keys that come in one read are all heard, also those for the screen that is to come", async () => {
  const done = vi.fn();
  const { stdin } = render(<Two onDone={done} />);
  stdin.write(" \u001b[B \rsecret-key\r");
  await vi.waitFor(() => expect(done).toHaveBeenCalledWith(["a", "b"], "secret-key"));
});

test("every letter can be typed into a key, one by one, and none is shown", async () => {
  const done = vi.fn();
  const { stdin, frames, lastFrame } = render(<Two onDone={done} />);
  stdin.write("\r");
  await vi.waitFor(() => expect(lastFrame()).toContain("Key:"));
  for (const letter of "sbp-12345 qQ?") stdin.write(letter);
  await vi.waitFor(() => expect(lastFrame()).toContain("•".repeat(13)));
  stdin.write("\x7f\r");
  await vi.waitFor(() => expect(done).toHaveBeenCalledWith([], "sbp-12345 qQ"));
  expect(frames.join("")).not.toMatch(/sbp|123/);
});

test("a pasted key with a line end is taken as it is, and other control characters never get into it", async () => {
  const done = vi.fn();
  const { stdin, lastFrame } = render(<Two onDone={done} />);
  stdin.write("\r");
  await vi.waitFor(() => expect(lastFrame()).toContain("Key:"));
  stdin.write("sk-\u0000pasted\t\r\n");
  await vi.waitFor(() => expect(done).toHaveBeenCalledWith([], "sk-pasted"));
});

test("Ctrl-C is heard on every screen", async () => {
  const done = vi.fn();
  const { stdin } = render(<Two onDone={done} />);
  stdin.write("\r");
  stdin.write("half a key");
  stdin.write("\x03");
  await vi.waitFor(() => expect(done).toHaveBeenCalledWith("quit"));
});

test("many models are found by typing a part of their names, and Esc shows all again", async () => {
  const done = vi.fn();
  const options = Array.from({ length: 300 }, (_, n) => ({ value: `gpt-${n}`, label: `gpt-${n}` }));
  const { stdin, lastFrame } = render(
    <Keys>
      <Choices options={options} onBack={() => done("back")} onQuit={nothing} onDone={done} />
    </Keys>,
  );
  await vi.waitFor(() => expect(lastFrame()).toContain("300 of 300"));
  expect(lastFrame()!.split("\n").length).toBeLessThan(20);
  stdin.write("29");
  await vi.waitFor(() => expect(lastFrame()).toContain("13 of 300"));
  stdin.write("zzz");
  await vi.waitFor(() => expect(lastFrame()).toContain("Nothing has “29zzz” in it"));
  stdin.write("\r"); // there is nothing to choose
  stdin.write("\u001b");
  await vi.waitFor(() => expect(lastFrame()).toContain("300 of 300"));
  stdin.write("299\r");
  await vi.waitFor(() => expect(done).toHaveBeenCalledWith("gpt-299", []));
  expect(done).toHaveBeenCalledTimes(1);
});
