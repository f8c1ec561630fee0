import vue from "@vitejs/plugin-vue";
import Components from "unplugin-vue-components/vite";
import { ElementPlusResolver } from "unplugin-vue-components/resolvers";
import { defineConfig } from "vite";

export default defineConfig({
  base: "/console/",
  plugins: [vue(), Components({ resolvers: [ElementPlusResolver({ importStyle: "css" })], dts: false, dirs: [] })],
  resolve: { alias: { "@live": new URL("../broadcast/web/static", import.meta.url).pathname, "@": new URL("./src", import.meta.url).pathname } },
  define: {
    __VUE_OPTIONS_API__: true, // Element Plus still has parts that need it
    __VUE_PROD_DEVTOOLS__: false,
    __VUE_I18N_FULL_INSTALL__: false,
    __VUE_I18N_LEGACY_API__: false,
    __INTLIFY_PROD_DEVTOOLS__: false,
  },
  build: {
    target: "es2022",
    license: { fileName: "licences.md" },
    assetsInlineLimit: 0, // the page's Content-Security-Policy knows no data: addresses
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        // Few files at the first load: a browser asks for six at a time. What is heavy and not for the desk belongs below pages/.
        codeSplitting: {
          groups: [
            { name: "vendor", test: /node_modules[\\/](@vue|vue|vue-router|vue-i18n|@intlify|pinia|openapi-fetch|@vueuse)[\\/]/ },
            { name: "desk", test: /src[\\/](api|components|composables|shell|stores|pages[\\/](desk|wall))[\\/]/ },
          ],
        },
      },
    },
    reportCompressedSize: true,
  },
  server: {
    // `npm run dev`: the pages from here, everything else from a server that runs (LIANBO=http://127.0.0.1:8080)
    proxy: Object.fromEntries(
      ["/api", "/static", "/emergency", "/live", "/assets", "/healthz", "/readyz"].map((path) => [
        path,
        { target: process.env["LIANBO"] ?? "http://127.0.0.1:8080", changeOrigin: false, ws: true },
      ]),
    ),
  },
});
