import "element-plus/theme-chalk/base.css";
import "element-plus/theme-chalk/dark/css-vars.css";
import "./styles/tokens.css";
import "./styles/base.css";

import { createPinia } from "pinia";
import { createApp } from "vue";
import App from "./App.vue";
import { i18n, speak } from "./i18n";
import { router } from "./router";
import { usePrefs } from "./stores/prefs";

const app = createApp(App).use(createPinia()).use(i18n);
await speak(usePrefs().language);
app.use(router).mount("#app");
