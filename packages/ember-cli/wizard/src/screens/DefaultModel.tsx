import { Text } from "ink";
import { offered } from "../plan.js";
import { Choices, Page } from "../widgets.js";
import type { Props } from "../Wizard.js";

const NONE = "";

export function DefaultModel({ plan, next, previous, quit }: Props) {
  const { default_model } = plan.hello;
  const models = offered(plan);
  if (default_model !== "" && !models.includes(default_model)) models.unshift(default_model);
  const options = models.map((model) => ({ value: model, label: model, ...(model === default_model ? { note: "as it is now" } : {}) }));
  if (default_model === "") options.push({ value: NONE, label: "No default: every call names its model" });
  return (
    <Page title="Which model answers when none is named?" keys="↑↓: move   Type: search   Enter: choose   Esc: back">
      {options.length > 0 ? (
        <Choices
          options={options}
          start={plan.model}
          onBack={previous}
          onQuit={quit}
          onDone={(chosen) => next({ model: chosen === NONE ? null : chosen })}
        />
      ) : (
        <Text>No model is known yet.</Text>
      )}
    </Page>
  );
}
