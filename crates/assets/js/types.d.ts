// What the page gets from htmx and its socket extension, as far as these scripts use it.

interface HtmxSwapTask {
  target: Element | string | null;
  fragment: DocumentFragment;
}

interface HtmxConnection {
  socket: WebSocket | null;
}

interface HtmxSocketDetail {
  connection: HtmxConnection;
  message: { data: unknown };
  cancelled: boolean;
  waitUntil(work: Promise<unknown>): void;
  code: number | null;
  reason: string;
}

interface Htmx {
  config: Record<string, unknown>;
  process(element: Element): void;
}

declare const htmx: Htmx;
