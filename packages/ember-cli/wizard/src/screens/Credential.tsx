import { Box, Text } from "ink";
import { useRef, useState } from "react";
import type { Provider, Verdict } from "../protocol.js";
import { Busy, Choices, Field, Page } from "../widgets.js";
import type { Props } from "../Wizard.js";

type Stage =
  | { at: "start" }
  | { at: "key" }
  | { at: "url" }
  | { at: "asking"; key: string | null }
  | { at: "unsure"; key: string | null; verdict: Verdict };

/** A provider's key: the one that is there, or a typed one, asked about at the provider before it is taken. */
export function CredentialScreen({ plan, bridge, provider, next, previous, quit }: Props & { provider: Provider }) {
  const before = plan.credentials[provider.name];
  const first: Stage = { at: provider.key.set || !provider.needs_key ? "start" : "key" };
  const [stage, go] = useState<Stage>(first);
  const [refusal, setRefusal] = useState("");
  const [tries, setTries] = useState(0);
  const asked = useRef<Stage | null>(null);
  const [url, setUrl] = useState<string | null>(before?.base_url ?? (plan.wanted.provider === provider.name ? plan.wanted.base_url ?? null : null));
  const shownUrl = url ?? provider.base_url;

  const take = (key: string | null, verdict: Verdict) =>
    next({ credentials: { ...plan.credentials, [provider.name]: { key, base_url: url, verdict } } });

  const ask = async (key: string | null) => {
    const asking: Stage = { at: "asking", key };
    asked.current = asking;
    setRefusal("");
    go(asking);
    let verdict: Verdict;
    try {
      verdict = await bridge.ask("validate", { provider: provider.name, key, base_url: url });
    } catch (error) {
      return asked.current === asking ? refuse((error as Error).message, key) : undefined;
    }
    if (asked.current !== asking) return; // Esc has left the question meanwhile; its answer is nobody's
    if (verdict.outcome === "ok") take(key, verdict);
    else if (verdict.outcome === "refused" || verdict.outcome === "missing") refuse(verdict.message, key);
    else go({ at: "unsure", key, verdict });
  };

  const refuse = (why: string, key: string | null) => {
    setRefusal(why);
    setTries((tries) => tries + 1);
    go(provider.needs_key || key !== null ? { at: "key" } : first);
  };

  const unask = (to: Stage) => {
    asked.current = null;
    go(to);
  };

  const keys = stage.at === "key" ? "Enter: check it   Ctrl-U: clear   Esc: back" : "↑↓: move   Enter: go on   Esc: back";
  return (
    <Page title={provider.label} keys={keys}>
      <Box flexDirection="column">
        <Text>
          Asked at <Text bold>{shownUrl}</Text>
        </Text>
        {provider.key_page !== "" && stage.at === "key" && <Text dimColor>A key is had at {provider.key_page}</Text>}
      </Box>
      {refusal !== "" && <Text color="red">{refusal}</Text>}
      {stage.at === "start" && (
        <Choices
          options={[
            provider.key.set
              ? { value: "keep", label: "Use the key that is there", note: `${provider.key.hint} from ${provider.key.source}` }
              : { value: "keep", label: "Use it without a key" },
            { value: "key", label: provider.key.set ? "Give another key" : "Give a key" },
            { value: "url", label: "Use another base URL" },
          ]}
          onBack={previous}
          onQuit={quit}
          onDone={(chosen) => (chosen === "keep" ? ask(null) : go({ at: chosen === "url" ? "url" : "key" }))}
        />
      )}
      {stage.at === "url" && (
        <Field
          label="Base URL"
          start={shownUrl}
          onBack={() => go(first)}
          onQuit={quit}
          onDone={(text) => {
            setUrl(text === "" || text === provider.base_url ? null : text);
            go(first);
          }}
        />
      )}
      {stage.at === "key" && (
        <Field
          key={tries}
          label="Key"
          secret
          placeholder="paste or type it; nobody sees it"
          onBack={first.at === "start" ? () => go({ at: "start" }) : previous}
          onQuit={quit}
          onDone={(text) =>
            text === "" ? refuse("No key was given. Paste one, or go back with Esc and leave this provider out.", text) : ask(text)
          }
        />
      )}
      {stage.at === "asking" && (
        <Busy label={`Asking ${provider.label} …`} onBack={() => unask(stage.key === null ? first : { at: "key" })} onQuit={quit} />
      )}
      {stage.at === "unsure" && (
        <Box flexDirection="column">
          <Text color="yellow">{stage.verdict.message}</Text>
          <Choices
            options={[
              { value: "again", label: "Ask again" },
              { value: "keep", label: "Keep it unchecked" },
            ]}
            onBack={() => go(first)}
            onQuit={quit}
            onDone={(chosen) => (chosen === "again" ? ask(stage.key) : take(stage.key, stage.verdict))}
          />
        </Box>
      )}
    </Page>
  );
}
