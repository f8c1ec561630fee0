// ECharts with no more of it than these figures use; only the statistics page loads it.

import { BarChart, LineChart } from "echarts/charts";
import { GridComponent, TooltipComponent } from "echarts/components";
import { init, use, type EChartsType } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";

use([BarChart, LineChart, GridComponent, TooltipComponent, CanvasRenderer]);

export interface Drawn {
  kind: "line" | "bar" | "lying"; // lying: bars from left to right, names on the left
  names: string[];
  values: (number | null)[];
  unit: string;
  most?: number; // of the scale
}

const colour = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function paint(node: HTMLElement): { show: (what: Drawn) => void; fit: () => void; end: () => void } {
  const chart: EChartsType = init(node);
  return { show: (what) => chart.setOption(option(what), true), fit: () => chart.resize(), end: () => chart.dispose() };
}

function option(what: Drawn): Parameters<EChartsType["setOption"]>[0] {
  const [text, edge, line, panel] = ["--text", "--edge", "--link", "--panel-2"].map(colour);
  const font = getComputedStyle(document.body).fontFamily;
  const label = { color: text, fontFamily: font, fontSize: 12 };
  const lying = what.kind === "lying";
  const names = {
    type: "category" as const,
    data: what.names,
    inverse: lying,
    axisLabel: { ...label, hideOverlap: !lying, interval: lying ? 0 : ("auto" as const), width: lying ? 170 : undefined, overflow: "truncate" as const },
    axisLine: { lineStyle: { color: edge } },
  };
  const values = {
    type: "value" as const,
    min: 0,
    max: what.most,
    axisLabel: { ...label, formatter: `{value} ${what.unit}` },
    splitLine: { lineStyle: { color: edge, opacity: 0.5 } },
  };
  return {
    animation: false,
    textStyle: { fontFamily: font },
    grid: { left: 8, right: 28, top: 12, bottom: 8, containLabel: true },
    // drawn on the canvas: a tooltip of HTML would carry style attributes, which the page's policy refuses
    tooltip: {
      renderMode: "richText",
      trigger: "axis",
      confine: true,
      backgroundColor: panel,
      borderColor: edge,
      textStyle: { color: text, fontFamily: font },
      valueFormatter: (value: unknown) => (typeof value === "number" ? `${value} ${what.unit}` : "—"),
    },
    xAxis: lying ? values : names,
    yAxis: lying ? names : values,
    series: [
      what.kind === "line"
        ? { type: "line", data: what.values, connectNulls: false, symbolSize: 7, lineStyle: { color: line, width: 2 }, itemStyle: { color: line } }
        : { type: "bar", data: what.values, barMaxWidth: 26, itemStyle: { color: line } },
    ],
  };
}
