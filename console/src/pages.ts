// Every page of the console: its address, its place in the navigation, its shortcut. A page is a chunk of its own; desk and wall
// come with the shell, because they have to stand within half a second.

import type { Component } from "vue";
import DeskPage from "./pages/desk/DeskPage.vue";
import type { Verb } from "./stores/session";
import WallPage from "./pages/wall/WallPage.vue";

export type Group = "now" | "prepare" | "together" | "look" | "manage" | "about";

export interface Page {
  name: string; // of the route; `nav.<name>` is its title
  path: string; // below /console/
  group?: Group; // in the navigation; without one it is reached from other pages
  keys?: string; // "g d"
  load: Component | (() => Promise<Component>);
  needs?: readonly Verb[]; // one of these rights; without any the page is not offered, and says so when it is asked for
  fallback?: string; // the server-rendered page that does its work until it is made
}

const coming = () => import("./pages/ComingPage.vue");

export const PAGES: readonly Page[] = [
  { name: "desk", path: "", group: "now", keys: "g d", load: DeskPage },
  { name: "wall", path: "wall", group: "now", keys: "g w", load: WallPage },
  { name: "emergency", path: "emergency", group: "now", load: () => import("./pages/emergency/EmergencyPage.vue") },
  { name: "compose", path: "broadcasts/new", group: "now", keys: "g n", load: () => import("./pages/compose/ComposePage.vue") },
  { name: "live", path: "live", group: "now", keys: "g l", load: () => import("./pages/live/LivePage.vue"), fallback: "/live" },
  { name: "broadcasts", path: "broadcasts", group: "now", keys: "g b", load: () => import("./pages/broadcasts/BroadcastsPage.vue") },
  { name: "broadcast", path: "broadcasts/:id", load: () => import("./pages/broadcasts/BroadcastPage.vue") },
  { name: "approvals", path: "approvals", group: "now", keys: "g p", load: () => import("./pages/approvals/ApprovalsPage.vue") },
  { name: "approval", path: "approvals/:id", load: () => import("./pages/approvals/ApprovalPage.vue") },
  { name: "alarms", path: "alarms", group: "now", keys: "g a", load: () => import("./pages/alarms/AlarmsPage.vue") },
  { name: "incidents", path: "incidents", group: "together", keys: "g i", load: coming },
  { name: "conference", path: "conference", group: "together", keys: "g c", load: coming },
  { name: "schedule", path: "schedule", group: "prepare", keys: "g s", load: () => import("./pages/schedule/SchedulePage.vue"), fallback: "/programmes" },
  { name: "asrun", path: "schedule/as-run", load: () => import("./pages/schedule/AsRunPage.vue"), fallback: "/programmes/record" },
  { name: "calendar", path: "schedule/calendar", load: () => import("./pages/schedule/CalendarPage.vue") },
  { name: "arearules", path: "schedule/areas", load: () => import("./pages/schedule/AreaRulesPage.vue") },
  { name: "plans", path: "plans", group: "prepare", load: () => import("./pages/plans/PlansPage.vue") },
  { name: "assets", path: "assets", group: "prepare", load: () => import("./pages/assets/AssetsPage.vue"), fallback: "/sounds" },
  { name: "drills", path: "drills", group: "prepare", load: () => import("./pages/drills/DrillsPage.vue") },
  { name: "speakers", path: "speakers", group: "look", keys: "g e", load: () => import("./pages/speakers/SpeakersPage.vue") },
  { name: "statistics", path: "statistics", group: "look", load: () => import("./pages/statistics/StatisticsPage.vue") },
  { name: "audit", path: "audit", group: "look", needs: ["read_audit"], load: () => import("./pages/audit/AuditPage.vue") },
  { name: "area", path: "areas/:code", load: () => import("./pages/wall/AreaPage.vue") },
  { name: "officers", path: "officers", group: "manage", load: () => import("./pages/users/OfficersPage.vue") },
  { name: "policies", path: "policies", group: "manage", load: () => import("./pages/users/PoliciesPage.vue") },
  { name: "shifts", path: "shifts", group: "manage", load: () => import("./pages/shifts/ShiftsPage.vue") },
  { name: "help", path: "help", group: "about", load: () => import("./pages/help/HelpPage.vue") },
  { name: "about", path: "about", group: "about", load: () => import("./pages/AboutPage.vue") },
];

export const GROUPS: readonly Group[] = ["now", "prepare", "together", "look", "manage", "about"];
