import { Text } from "ink";
import { Choices, Page } from "../widgets.js";
import type { Props } from "../Wizard.js";

export function Providers({ plan, next, previous, quit }: Props) {
  return (
    <Page title="Which providers do you use?" keys="↑↓: move   Space: choose   Enter: go on   Esc: back">
      <Choices
        options={plan.hello.providers.map((provider) => ({
          value: provider.name,
          label: provider.label,
          off: !provider.installed,
          ...(!provider.installed ? { note: provider.install } : provider.key.set ? { note: `${provider.key.hint} from ${provider.key.source}` } : {}),
        }))}
        marked={plan.chosen}
        onBack={previous}
        onQuit={quit}
        onDone={(_, marked) =>
          next({ chosen: plan.hello.providers.map((provider) => provider.name).filter((name) => marked.includes(name)) })
        }
      />
      <Text dimColor>None is an answer too: the embedded model needs no key.</Text>
    </Page>
  );
}
