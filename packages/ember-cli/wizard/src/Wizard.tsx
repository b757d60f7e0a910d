import { useApp } from "ink";
import { useRef, useState } from "react";
import type { Bridge } from "./bridge.js";
import { type Plan, type Wanted, back, begin, forward, named, screen } from "./plan.js";
import type { Committed, Hello } from "./protocol.js";
import { Keys } from "./keys.js";
import { CredentialScreen } from "./screens/Credential.js";
import { DefaultModel } from "./screens/DefaultModel.js";
import { Done } from "./screens/Done.js";
import { EmbeddedModel } from "./screens/EmbeddedModel.js";
import { Providers } from "./screens/Providers.js";
import { Review } from "./screens/Review.js";
import { Welcome } from "./screens/Welcome.js";

/** How the wizard was left: with everything written, or by Ctrl-C before anything was. */
export type Left = "done" | "quit";

/** What every screen is given. */
export type Props = {
  plan: Plan;
  bridge: Bridge;
  next: (decided?: Partial<Plan>) => void;
  previous: () => void;
  quit: () => void;
};

type Given = { hello: Hello; wanted: Wanted; bridge: Bridge; onLeave: (left: Left) => void };

export function Wizard({ hello, wanted, bridge, onLeave }: Given) {
  const { exit } = useApp();
  const [plan, setPlan] = useState(() => begin(hello, wanted));
  const [committed, setCommitted] = useState<Committed | null>(null);
  const written = useRef(false);
  const leave = (left: Left) => {
    onLeave(left);
    exit();
  };
  const props: Props = {
    plan,
    bridge,
    next: (decided) => setPlan((plan) => forward(plan, decided)),
    previous: () => setPlan(back),
    quit: () => leave(written.current ? "done" : "quit"),
  };
  const here = screen(plan);
  return (
    <Keys>
      {here.at === "welcome" && <Welcome {...props} />}
      {here.at === "providers" && <Providers {...props} />}
      {here.at === "credential" && (
        <CredentialScreen key={here.provider} {...props} provider={named(plan, here.provider)} />
      )}
      {here.at === "embedded" && <EmbeddedModel {...props} />}
      {here.at === "model" && <DefaultModel {...props} />}
      {here.at === "review" && (
        <Review
          {...props}
          onWritten={(committed) => {
            written.current = true;
            setCommitted(committed);
            props.next();
          }}
        />
      )}
      {here.at === "done" && committed !== null && <Done {...props} committed={committed} leave={() => leave("done")} />}
    </Keys>
  );
}
