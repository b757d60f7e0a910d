import { Box, Text } from "ink";
import { useState } from "react";
import { named, toCommit } from "../plan.js";
import type { Committed } from "../protocol.js";
import { Busy, Choices, Page, Progress } from "../widgets.js";
import type { Props } from "../Wizard.js";

type Stage = { at: "asking" } | { at: "fetching"; done: number; total: number } | { at: "writing" } | { at: "failed"; why: string };

/** What will be written, and where; then it is fetched and written. */
export function Review({ plan, bridge, previous, quit, onWritten }: Props & { onWritten: (committed: Committed) => void }) {
  const [stage, go] = useState<Stage>({ at: "asking" });
  const commit = toCommit(plan);
  const { embedded } = plan.hello;
  const pull = plan.pull && !embedded.pulled;

  const apply = async () => {
    try {
      if (pull) {
        go({ at: "fetching", done: 0, total: 0 });
        await bridge.ask("pull", { model: embedded.model }, ({ done, total }) => go({ at: "fetching", done, total }));
      }
      go({ at: "writing" });
      onWritten(await bridge.ask("commit", commit));
    } catch (error) {
      go({ at: "failed", why: (error as Error).message });
    }
  };

  const lines = [
    ...Object.keys(commit.credentials).map((name) => {
      const key = commit.credentials[name]!;
      return `${named(plan, name).label}: the key …${key.length > 12 ? key.slice(-4) : ""} for ${plan.credentials[name]!.verdict.base_url}`;
    }),
    ...Object.entries(commit.base_urls)
      .filter(([name]) => commit.credentials[name] === undefined)
      .map(([name, url]) => `${named(plan, name).label}: the base URL ${url ?? named(plan, name).default_base_url}`),
    ...(commit.default_model === null ? [] : [`The default model: ${commit.default_model}`]),
    ...(pull ? [`${embedded.model}: its weights, to be fetched`] : []),
  ];
  return (
    <Page title="Is this right?" keys={stage.at === "asking" ? "Enter: do it   Esc: back" : "Ctrl-C: stop"}>
      <Box flexDirection="column">
        {lines.length === 0 ? <Text>Nothing changes.</Text> : <Text>To be kept in {plan.hello.home}:</Text>}
        {lines.map((line) => (
          <Text key={line}>
            {"  "}
            {line}
          </Text>
        ))}
      </Box>
      {stage.at === "failed" && <Text color="red">{stage.why}</Text>}
      {stage.at === "fetching" && <Progress done={stage.done} total={stage.total} />}
      {stage.at === "fetching" || stage.at === "writing" ? (
        <Busy label={stage.at === "fetching" ? "Fetching …" : "Writing …"} onQuit={quit} />
      ) : (
        <Choices
          key={stage.at}
          options={[{ value: "go", label: stage.at === "failed" ? "Try again" : lines.length === 0 ? "Go on" : "Write it" }]}
          onBack={previous}
          onQuit={quit}
          onDone={apply}
        />
      )}
    </Page>
  );
}
