import element from "element-plus/es/locale/lang/zh-cn.mjs";
import { bySubject } from "./subjects";

export default {
  messages: bySubject(import.meta.glob("./*.zh-CN.json", { eager: true, import: "default" })),
  element,
};
