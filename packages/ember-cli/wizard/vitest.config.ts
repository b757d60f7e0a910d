import { defineConfig } from "vitest/config";

// A test waits for what it expects to see; the limit is for a screen that never comes.
export default defineConfig({ test: { testTimeout: 30_000, hookTimeout: 30_000, fileParallelism: false } });
