import { Box, Text, useStdout } from "ink";
import { type ReactNode, useEffect, useState } from "react";
import { useKeys, useLeave, useNow } from "./keys.js";

export const ACCENT = "#e8590c";

/** A screen: a title, what is on it, and the keys that work. */
export function Page({ title, keys, children }: { title: string; keys: string; children: ReactNode }) {
  return (
    <Box flexDirection="column" paddingX={1} gap={1}>
      <Text bold color={ACCENT}>
        {title}
      </Text>
      {children}
      <Text dimColor>{keys}</Text>
    </Box>
  );
}

/** One that is `off` is shown, and cannot be chosen. */
export type Option = { value: string; label: string; note?: string; off?: boolean };

type Common = { options: Option[]; onBack: () => void; onQuit: () => void };

/** One of many, or with `marked` any of many. Where there are more than fit, typing narrows them down. */
export function Choices({
  options,
  marked,
  start,
  onBack,
  onQuit,
  onDone,
}: Common & { marked?: string[]; start?: string | null; onDone: (value: string, marked: string[]) => void }) {
  const height = Math.max(4, Math.min(12, (useStdout().stdout.rows ?? 24) - 9));
  const filtering = marked === undefined && options.length > height;
  const first = Math.max(0, options.findIndex((option) => option.value === start));
  const [state, now, set] = useNow({ at: first, marks: new Set(marked ?? []), filter: "" });
  const leave = useLeave();
  const fitting = (filter: string) => options.filter((option) => option.label.toLowerCase().includes(filter.toLowerCase()));
  useKeys((key) => {
    const { at, marks, filter } = now();
    const shown = fitting(filter);
    const to = (place: number) => set({ ...now(), at: Math.max(0, Math.min(shown.length - 1, place)) });
    if (key === "quit") onQuit();
    else if (key === "back" && filter !== "") set({ at: 0, marks, filter: "" });
    else if (key === "back") leave(), onBack();
    else if (key === "up") to(at - 1);
    else if (key === "down") to(at + 1);
    else if (key === "page up") to(at - height);
    else if (key === "page down") to(at + height);
    else if (key === "enter" && shown[at] !== undefined) leave(), onDone(shown[at].value, [...marks]);
    else if (key === "delete" && filtering) set({ at: 0, marks, filter: filter.slice(0, -1) });
    else if (key === "clear" && filtering) set({ at: 0, marks, filter: "" });
    else if (typeof key === "object" && filtering) set({ at: 0, marks, filter: filter + key.text });
    else if (typeof key === "object" && marked !== undefined) {
      let changed = marks;
      const option = shown[at];
      for (const letter of key.text) if (letter === " " && option !== undefined && option.off !== true) changed = flipped(changed, option.value);
      set({ ...now(), marks: changed });
    }
  });
  const shown = fitting(state.filter);
  const top = Math.max(0, Math.min(state.at - Math.floor(height / 2), shown.length - height));
  return (
    <Box flexDirection="column">
      {filtering && (
        <Text>
          Search: {state.filter}
          <Text inverse> </Text>
          <Text dimColor>
            {"  "}
            {shown.length} of {options.length}
          </Text>
        </Text>
      )}
      {shown.slice(top, top + height).map((option, place) => {
        const here = top + place === state.at;
        const mark = marked === undefined ? "" : option.off ? "    " : state.marks.has(option.value) ? "[x] " : "[ ] ";
        return (
          <Text key={option.value} wrap="truncate-end" dimColor={option.off === true} {...(here ? { color: ACCENT } : {})}>
            {here ? "> " : "  "}
            {mark}
            {option.label}
            {option.note !== undefined && <Text dimColor> {option.note}</Text>}
          </Text>
        );
      })}
      {shown.length === 0 && <Text dimColor>Nothing has “{state.filter}” in it. Esc shows all again.</Text>}
    </Box>
  );
}

const flipped = (marks: Set<string>, value: string): Set<string> => {
  const made = new Set(marks);
  if (!made.delete(value)) made.add(value);
  return made;
};

/** A line of text. Every letter can be typed into it; a secret one shows a dot for each. */
export function Field({
  label,
  secret = false,
  start = "",
  placeholder = "",
  onBack,
  onQuit,
  onDone,
}: { label: string; secret?: boolean; start?: string; placeholder?: string; onBack: () => void; onQuit: () => void; onDone: (text: string) => void }) {
  const [text, now, set] = useNow(start);
  const leave = useLeave();
  useKeys((key) => {
    if (key === "quit") onQuit();
    else if (key === "back") leave(), onBack();
    else if (key === "enter") leave(), onDone(now().trim());
    else if (key === "delete") set([...now()].slice(0, -1).join(""));
    else if (key === "clear") set("");
    else if (typeof key === "object") set(now() + key.text);
  });
  const width = (useStdout().stdout.columns ?? 80) - label.length - 8;
  const shown = secret ? "•".repeat([...text].length) : text;
  return (
    <Text>
      {label}: {shown.slice(-width)}
      <Text inverse> </Text>
      {text === "" && <Text dimColor> {placeholder}</Text>}
    </Text>
  );
}

/** Something is being done. Keys typed meanwhile are for nobody, except those that leave. */
export function Busy({ label, onBack, onQuit }: { label: string; onBack?: () => void; onQuit: () => void }) {
  const [turn, show] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => show((turn) => turn + 1), 100);
    return () => clearInterval(timer);
  }, []);
  useKeys((key) => {
    if (key === "quit") onQuit();
    else if (key === "back") onBack?.();
  });
  return (
    <Text>
      <Text color={ACCENT}>{"⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"[turn % 10]}</Text> {label}
    </Text>
  );
}

/** How much of something is there, of how many bytes. */
export function Progress({ done, total }: { done: number; total: number }) {
  const share = total > 0 ? Math.min(1, done / total) : 0;
  const full = Math.round(30 * share);
  return (
    <Text>
      <Text color={ACCENT}>{"█".repeat(full)}</Text>
      <Text dimColor>{"░".repeat(30 - full)}</Text> {total > 0 && `${(done / 1e6).toFixed(0)} of ${(total / 1e6).toFixed(0)} MB`}
    </Text>
  );
}
