import { createRouter, createWebHistory, type RouteRecordRaw } from "vue-router";
import { PAGES } from "./pages";
import TheShell from "./shell/TheShell.vue";
import { useSession } from "./stores/session";

const inside: RouteRecordRaw[] = PAGES.map((page) => ({
  name: page.name,
  path: page.path,
  component: page.load,
  meta: { title: `nav.${page.name}` },
}));

export const router = createRouter({
  history: createWebHistory("/"),
  routes: [
    { path: "/console/invitation", name: "invitation", component: () => import("./pages/users/InvitationPage.vue"), meta: { title: "users.invitation", open: true } },
    { path: "/console/login", name: "login", component: () => import("./pages/LoginPage.vue"), meta: { title: "login.title", open: true } },
    {
      path: "/console/",
      component: TheShell,
      children: [...inside, { path: ":rest(.*)*", name: "lost", component: () => import("./pages/LostPage.vue"), meta: { title: "nav.lost" } }],
    },
    { path: "/screen", name: "screen", component: () => import("./pages/screen/ScreenPage.vue"), meta: { title: "nav.screen", open: true } },
    { path: "/m/:rest(.*)*", name: "phone", component: () => import("./pages/phone/PhonePage.vue"), meta: { title: "nav.phone" } },
    { path: "/:rest(.*)*", redirect: "/console/" },
  ],
  scrollBehavior: (to, from, saved) => saved ?? (to.path === from.path ? false : { top: 0 }),
});

// A chunk that is gone: the server has a newer console. Once, so that a broken one makes no loop.
router.onError((err, to) => {
  const key = "lianbo.reloaded";
  if (!/dynamically imported module|preload/i.test(String(err)) || sessionStorage.getItem(key) === to.fullPath) throw err;
  sessionStorage.setItem(key, to.fullPath);
  location.assign(to.fullPath);
});

router.beforeEach(async (to) => {
  if (to.meta["open"]) return true;
  if (await useSession().recall()) return true;
  return { name: "login", query: to.fullPath === "/console/" ? {} : { next: to.fullPath } };
});
