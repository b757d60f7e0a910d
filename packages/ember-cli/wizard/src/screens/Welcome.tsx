import { Box, Text } from "ink";
import { useKeys, useLeave } from "../keys.js";
import { Page } from "../widgets.js";
import type { Props } from "../Wizard.js";

export function Welcome({ plan, next, quit }: Props) {
  const leave = useLeave();
  useKeys((key) => {
    if (key === "enter") leave(), next();
    else if (key === "quit" || key === "back") quit();
  });
  const there = plan.hello.providers.filter((provider) => provider.key.set);
  return (
    <Page title={`Ember ${plan.hello.version}`} keys="Enter: begin   Esc: leave">
      <Box flexDirection="column">
        <Text>This sets up the models you call: keys, a default model, and a small one that needs no key.</Text>
        <Text>Nothing is written before the last step. It goes to {plan.hello.home}, readable by you alone.</Text>
      </Box>
      {there.length > 0 && (
        <Box flexDirection="column">
          <Text>There already:</Text>
          {there.map((provider) => (
            <Text key={provider.name}>
              {"  "}
              {provider.label} <Text dimColor>{provider.key.hint} from {provider.key.source}</Text>
            </Text>
          ))}
        </Box>
      )}
    </Page>
  );
}
