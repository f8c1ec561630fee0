// The wall as the stream tells it: one byte a place, counts kept by the server. Plain, so that 690 places cost Vue nothing.

import { lookIndex } from "@/looks";

export interface Place {
  code: string;
  name: string;
}

export interface Panel {
  code: string;
  name: string;
  cells: number[];
}

export class WallModel {
  places: Place[] = [];
  panels: Panel[] = [];
  looks: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  readonly indexOf = new Map<string, number>();

  snapshot(cells: [string, string, string][], panels: Panel[]): void {
    this.places = cells.map(([code, name]) => ({ code, name }));
    this.panels = panels;
    this.looks = Uint8Array.from(cells, ([, , look]) => lookIndex(look));
    this.indexOf.clear();
    cells.forEach(([code], index) => this.indexOf.set(code, index));
  }

  /** The places that look different now. */
  change(cells: [number, string][]): number[] {
    const changed: number[] = [];
    for (const [index, look] of cells) {
      const next = lookIndex(look);
      if (index < this.looks.length && this.looks[index] !== next) {
        this.looks[index] = next;
        changed.push(index);
      }
    }
    return changed;
  }
}
