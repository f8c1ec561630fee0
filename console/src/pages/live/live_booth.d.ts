// The script of the server's own page (broadcast/web/static/live_booth.js), as far as this page uses it.

declare module "@live/live_booth.js" {
  export interface MicrophoneState {
    id: string;
    order: string;
    areas: string[];
    headline: string;
    exercise: boolean;
    state: string;
    why: string;
    muted: boolean;
    level_db: number;
    silent_s: number;
    silence_s: number;
    on_air_s: number;
    left_s: number;
    speakers: number;
    sounding: number;
    interrupted: number;
    delay_ms: number;
    packets: number;
    lost: number;
    late: number;
  }
  export interface Refusal {
    type: string;
    title: string;
    errors?: { field: string; code: string; pointer: string; detail: string }[];
    areas?: string[];
    until_ms?: number;
    live?: string;
  }
  export interface Command {
    areas: string[];
    minutes: number;
    headline: string;
    exercise: boolean;
    tone: "chime" | "none";
  }
  export class Meter {
    rms: number;
    held: number;
    look(now: number, running: boolean): void;
    word(running: boolean): string;
  }
  export class Booth {
    constructor(how: {
      worklet: string;
      socket: string;
      language: () => string;
      onChange: () => void;
      onState: (before: MicrophoneState | null) => void;
      onEnded: (ended: MicrophoneState) => void;
      onTrouble: (key: string, facts: Record<string, string>) => void;
      onRefused: (problem: Refusal) => void;
      onAnother: (isThere: boolean) => void;
    });
    readonly state: MicrophoneState | null;
    readonly mode: "open" | "hold";
    readonly pressing: boolean;
    readonly silenced: boolean;
    readonly starting: boolean;
    readonly meter: Meter;
    readonly capture: { readonly running: boolean; readonly device: string; readonly kind: string };
    improved: boolean;
    readonly isThere: boolean;
    readonly isOnTheAir: boolean;
    readonly isMuted: boolean;
    readonly lamp: string;
    readonly isQuiet: boolean;
    readonly isUnheard: boolean;
    start(device: string): Promise<boolean>;
    stopCapture(): void;
    hear(on: boolean): void;
    press(on: boolean): void;
    silence(on: boolean): void;
    setMode(mode: "open" | "hold"): void;
    prepare(command: () => Command, device: string): Promise<boolean>;
    goOn(id: string, device: string): Promise<boolean>;
    begin(): void;
    end(): void;
    leave(): void;
    close(): void;
  }
  export const BESIDE_MS: number;
  export const LOWEST_DB: number;
  export const TOO_LOUD_DB: number;
  export const cannotCapture: () => "" | "insecure" | "too_old";
  export const inputs: () => Promise<MediaDeviceInfo[]>;
}

declare module "@live/live_worklet.js?url" {
  const address: string;
  export default address;
}
