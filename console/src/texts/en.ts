import element from "element-plus/es/locale/lang/en.mjs";
import { bySubject } from "./subjects";

export default {
  messages: bySubject(import.meta.glob("./*.en.json", { eager: true, import: "default" })),
  element,
};
