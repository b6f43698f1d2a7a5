import { defineConfig } from "vite";

// The pages are part of the Python package: running the studio needs neither Node nor a network.
export default defineConfig({
  base: "./",
  build: {
    outDir: "../src/kinema/app/studio/pages",
    emptyOutDir: true,
    rollupOptions: { input: ["index.html", "api.html"] },
    target: "es2022",
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1200,
  },
  server: { proxy: { "/v1": "http://127.0.0.1:8188" } },
});
