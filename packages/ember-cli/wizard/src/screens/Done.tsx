import { Box, Text } from "ink";
import { useEffect, useState } from "react";
import { useKeys } from "../keys.js";
import type { Answer, Committed } from "../protocol.js";
import { Busy, Page } from "../widgets.js";
import type { Props } from "../Wizard.js";

/** What was written, and a first answer from the model that was made the default. */
export function Done({ plan, bridge, committed, leave }: Props & { committed: Committed; leave: () => void }) {
  const [text, setText] = useState("");
  const [answer, setAnswer] = useState<Answer | null>(null);
  const [failed, setFailed] = useState("");
  const model = plan.model;
  useEffect(() => {
    if (model === null) return;
    bridge
      .ask("answer", { model }, (event) => setText((text) => text + event.text))
      .then(setAnswer, (error: Error) => setFailed(error.message));
  }, [bridge, model]);
  const waiting = model !== null && answer === null && failed === "";
  useKeys((key) => {
    if (key === "enter" || key === "quit" || key === "back") leave();
  });
  return (
    <Page title="Ember is set up" keys={waiting ? "Enter: leave without the answer" : "Enter: leave"}>
      {(committed.files.length > 0 || committed.notes.length > 0) && (
        <Box flexDirection="column">
          {committed.files.map((file) => (
            <Text key={file}>Written: {file}</Text>
          ))}
          {committed.notes.map((note) => (
            <Text key={note} color="yellow">
              {note}
            </Text>
          ))}
        </Box>
      )}
      {model !== null && (
        <Box flexDirection="column">
          <Text>
            <Text color="cyan">{model}</Text> says:
          </Text>
          {text !== "" && <Text>{text.trim()}</Text>}
          {waiting && text === "" && <Text dimColor>…</Text>}
          {answer !== null && <Text dimColor>{answer.summary}</Text>}
          {failed !== "" && <Text color="red">{failed}</Text>}
        </Box>
      )}
      <Text>Next: ember run {model ?? "MODEL"} "Hello", or in Python: models({model === null ? '"MODEL"' : "None"}, "Hello")</Text>
    </Page>
  );
}
