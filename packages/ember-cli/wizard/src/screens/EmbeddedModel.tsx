import { Text } from "ink";
import { Choices, Page } from "../widgets.js";
import type { Props } from "../Wizard.js";

export function EmbeddedModel({ plan, next, previous, quit }: Props) {
  const { embedded } = plan.hello;
  return (
    <Page title="A model that needs no key" keys="↑↓: move   Enter: go on   Esc: back">
      <Text>
        {embedded.model} runs in your own process: small, free, and enough to try things with.
      </Text>
      <Choices
        options={
          embedded.pulled
            ? [{ value: "no", label: "It is there already" }]
            : [
                { value: "yes", label: "Fetch it at the last step (about 100 MB)" },
                { value: "no", label: "Not now" },
              ]
        }
        start={plan.pull ? "yes" : "no"}
        onBack={previous}
        onQuit={quit}
        onDone={(chosen) => next({ pull: chosen === "yes" })}
      />
    </Page>
  );
}
