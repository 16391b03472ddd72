// A server of prepared answers: a body, [status, body, headers], "no connection" or "no answer". It keeps what was sent.

export function server(...answers) {
  const sent = [];
  const fetch = (address, { method, headers, body, signal, keepalive }) => {
    sent.push({ address, method, headers, body: body === undefined ? undefined : JSON.parse(body), keepalive });
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    if (answer === "no connection") return Promise.reject(new TypeError("Failed to fetch"));
    if (answer === "no answer") return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    const [status, content, more] = Array.isArray(answer) ? answer : [200, answer];
    return Promise.resolve(new Response(JSON.stringify(content), { status, headers: more }));
  };
  return { fetch, sent };
}
