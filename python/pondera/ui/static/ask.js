// Questions to the server: of each kind at most one is under way, and of those that wait the newest alone is asked.

const AGAIN_MS = 1500;

/** What the server says it cannot answer. */
export class Refused extends Error {
  constructor(message, parameter) {
    super(message);
    this.parameter = parameter;
  }
}

/** Whether the server answers, told to whoever watches. */
export const server = {
  gone: false,
  watch: () => {},
  /** Lines that wait until it answers again. */
  again: new Set(),
};

async function get(address, query) {
  let response;
  try {
    response = await fetch(`${address}${query ? `?${query}` : ""}`, { cache: "no-store" });
  } catch {
    lost();
    return null;
  }
  if (server.gone) {
    server.gone = false;
    server.watch();
  }
  if (response.ok) return response;
  let said;
  try {
    said = (await response.json()).error;
  } catch {
    said = null;
  }
  throw new Refused(said?.message ?? `the server answered with status ${response.status}`, said?.parameter ?? null);
}

function lost() {
  if (!server.gone) {
    server.gone = true;
    server.watch();
  }
  setTimeout(() => {
    const lines = [...server.again];
    server.again.clear();
    for (const line of lines) line.retry();
  }, AGAIN_MS);
}

/** An answer in JSON, asked once. */
export async function json(address) {
  for (;;) {
    const response = await get(address, "");
    if (response) return response.json();
    await new Promise((done) => setTimeout(done, AGAIN_MS));
  }
}

/** Questions of one kind. */
export class Line {
  /**
   * @param {string} address where
   * @param {(response: Response) => Promise<any>} read what is read of an answer
   * @param {(answer: any, about: any) => void} answered called with an answer and what was said of its question
   * @param {(error: Refused, about: any) => void} refused called where there is none
   */
  constructor(address, read, answered, refused) {
    Object.assign(this, { address, read, answered, refused });
    this.busy = false;
    this.waiting = null;
    this.last = null;
    /** Milliseconds that the last answer took. */
    this.took = 0;
  }

  /**
   * Asks, or waits for the answer that is under way. Says whether it does: the last question is not asked again.
   *
   * @param {string} text the query
   * @param {any} about what is handed on with the answer
   */
  ask(text, about) {
    if (text === this.last) return false;
    this.last = text;
    if (this.busy) this.waiting = [text, about];
    else this._run(text, about);
    return true;
  }

  /** Asks the last question again. */
  retry() {
    if (this.busy || !this.lost) return;
    const [text, about] = this.waiting ?? this.lost;
    this.waiting = null;
    this._run(text, about);
  }

  async _run(text, about) {
    this.busy = true;
    this.lost = null;
    const begun = performance.now();
    let answer = null;
    let error = null;
    try {
      const response = await get(this.address, text);
      if (response) answer = await this.read(response);
      else this.lost = [text, about];
    } catch (one) {
      error = one;
      // Of an answer that broke off the rest never comes: that is a server that is gone, too.
      if (one instanceof TypeError) {
        this.lost = [text, about];
        lost();
      }
    }
    this.busy = false;
    this.took = performance.now() - begun;
    if (this.lost) {
      server.again.add(this);
      return;
    }
    if (this.waiting) {
      const [next, of] = this.waiting;
      this.waiting = null;
      this._run(next, of);
    }
    if (error) this.refused(error, about);
    else this.answered(answer, about);
  }
}

/** A heatmap: the length of a header, the header in JSON, and a byte for each cell of every plane that it names. */
export async function levels(response) {
  const all = await response.arrayBuffer();
  const length = new DataView(all).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(all, 4, length)));
  const cells = header.gpu.length * header.context.length * header.concurrency.length;
  const planes = header.planes.map((name, at) => [name, new Uint8Array(all, 4 + length + at * cells, cells)]);
  return { ...header, ...Object.fromEntries(planes) };
}

/** A text. */
export const text = (response) => response.text();

/** An object. */
export const object = (response) => response.json();
