import { Text } from "ink";
import { Choices, Page } from "../widgets.js";
import type { Props } from "../Wizard.js";

export function EmbeddedModel({ plan, next, previous, quit }: Props) {
  const { embedded } = plan.hello;
  const size = `${Math.round(embedded.bytes / 1e6)} MB`;
  return (
    <Page title="A model that needs no key" keys="↑↓: move   Enter: go on   Esc: back">
      <Text>
        {embedded.label} runs in your own process: small, free, and enough to try things with.
      </Text>
      <Choices
        options={
          embedded.present
            ? [{ value: "no", label: "It is there already" }]
            : [
                { value: "yes", label: `Fetch it at the last step (${size})` },
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
