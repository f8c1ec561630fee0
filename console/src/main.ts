import "element-plus/theme-chalk/base.css";
import "element-plus/theme-chalk/dark/css-vars.css";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/pages.css";

import { createPinia } from "pinia";
import { createApp } from "vue";
import App from "./App.vue";
import { i18n, speak } from "./i18n";
import { router } from "./router";
import { usePrefs } from "./stores/prefs";
import { useSession } from "./stores/session";

// Texts, who we are, and the page itself are fetched side by side: a wall that is opened stands within half a second.
const app = createApp(App).use(createPinia()).use(i18n);
for (const part of router.resolve(location.pathname).matched) {
  const load = part.components?.["default"];
  if (typeof load === "function") void (load as () => Promise<unknown>)().catch(() => undefined); // the router says it again
}
if (location.pathname !== "/console/login") void useSession().recall();
await speak(usePrefs().language);
app.use(router).mount("#app");
