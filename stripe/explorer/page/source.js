// Where the page gets its data: a server, the page itself, or a kernel of Jupyter.

// Of a server on this machine; the token keeps other pages out.
function servedSource(token) {
  return async (request) => {
    const answer = await fetch("api/" + request, { headers: { "X-Stripe-Token": token } });
    if (!answer.ok) throw new Error((await answer.json()).error);
    return answer.arrayBuffer();
  };
}

// Of the page: gzip in base64 by request.
function embeddedSource(blobs) {
  const unpacked = async (request) => {
    if (!(request in blobs)) throw new Error("this page does not hold " + request);
    const bytes = bytesOf(blobs[request]);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).arrayBuffer();
  };
  return async (request) => {
    if (!request.startsWith("images/")) return unpacked(request);
    const indices = request.slice("images/".length).split(",");
    return joined(await Promise.all(indices.map((index) => unpacked("images/" + index))));
  };
}

// One answer of several thumbnails; each begins with a head of eight bytes.
function joined(answers) {
  const parts = [new Uint8Array(answers[0], 0, 8), ...answers.map((one) => new Uint8Array(one, 8))];
  return new Blob(parts).arrayBuffer();
}

// Of a widget: messages with a number, answered with a buffer or an error.
function widgetSource(model) {
  const waiting = new Map();
  let last = 0;
  model.on("msg:custom", (message, buffers) => {
    const { done, fail } = waiting.get(message.id) || {};
    waiting.delete(message.id);
    if (!done) return;
    if (message.error) return fail(new Error(message.error));
    const view = buffers[0];
    done(view.buffer ? view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength) : view);
  });
  return (request) =>
    new Promise((done, fail) => {
      last += 1;
      waiting.set(last, { done, fail });
      model.send({ id: last, request });
    });
}

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

// Keeps answers, up to so many bytes, and asks once for what is asked for twice at a time.
class Answers {
  constructor(source, most = 300e6) {
    this.source = source;
    this.most = most;
    this.kept = new Map();
  }

  get(request, decode) {
    if (this.kept.has(request)) {
      const entry = this.kept.get(request);
      this.kept.delete(request);
      this.kept.set(request, entry);
      return entry.value;
    }
    const entry = { bytes: 0 };
    entry.value = this.source(request).then((buffer) => {
      entry.bytes = buffer.byteLength;
      this.drop();
      return decode(buffer);
    });
    entry.value.catch(() => this.kept.delete(request));
    this.kept.set(request, entry);
    return entry.value;
  }

  drop() {
    let total = 0;
    for (const entry of this.kept.values()) total += entry.bytes;
    for (const [request, entry] of this.kept) {
      if (total <= this.most || this.kept.size <= 2) break;
      if (entry.bytes > 1e6) {
        total -= entry.bytes;
        this.kept.delete(request);
      }
    }
  }

  json(request) {
    return this.get(request, (buffer) => JSON.parse(new TextDecoder().decode(buffer)));
  }

  matrix(request) {
    return this.get(request, (buffer) => new Matrix(buffer));
  }

  floats(request) {
    return this.get(request, (buffer) => new Float32Array(buffer));
  }
}
