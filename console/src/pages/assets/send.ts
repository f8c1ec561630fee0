// Sending a file with its progress, which fetch does not tell.

import { language } from "@/i18n";
import { Problem } from "@/api/problem";
import type { Schemas } from "@/api/client";

export interface Sending {
  done: Promise<Schemas["AssetOut"]>; // rejects with a Problem
  stop: () => void;
}

export function send(file: File, fields: Record<string, string>, progress: (percent: number) => void): Sending {
  const request = new XMLHttpRequest();
  const done = new Promise<Schemas["AssetOut"]>((resolve, reject) => {
    request.open("POST", `/api/v1/assets?${new URLSearchParams({ ...fields, file_name: file.name }).toString()}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("Accept-Language", language());
    request.responseType = "json";
    request.upload.onprogress = (event) => event.lengthComputable && progress(Math.floor((event.loaded / event.total) * 100));
    request.onload = () => {
      if (request.status < 300) return resolve(request.response as Schemas["AssetOut"]);
      const headers = new Headers();
      const wait = request.getResponseHeader("Retry-After");
      if (wait) headers.set("Retry-After", wait);
      reject(Problem.of(request.response, new Response(null, { status: request.status || 500, headers })));
    };
    request.onerror = () => reject(Problem.unreachable(null));
    request.onabort = () => reject(Problem.unreachable(null));
    request.send(file);
  });
  return { done, stop: () => request.abort() };
}
