// Requests to the endpoints of the admin port. The token is kept in this module alone, until the page is closed.

const LIMIT_MS = 20_000;
const ACTION_LIMIT_MS = 60_000;

let token = null;
let readsNeedToken = false;

/** An answer that is not a success, with the text of the connector. */
export class Rejection extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

export function setToken(value) {
  token = value === "" ? null : value;
}

export function hasToken() {
  return token !== null;
}

/** Whether the port listens for other machines, so that even reads require the token. */
export function isTokenNeededToRead() {
  return readsNeedToken;
}

/** Reads JSON. The token is sent only where reads require it. */
export async function read(path) {
  const attempt = () => request("GET", path, undefined, readsNeedToken, LIMIT_MS);
  try {
    return await attempt();
  } catch (error) {
    if (!(error instanceof Rejection) || error.status !== 401) {
      throw error;
    }
    const isFirst = !readsNeedToken;
    readsNeedToken = true;
    if (isFirst && token !== null) {
      return attempt();
    }
    throw error;
  }
}

/** Sends a request that changes state, with the token. */
export function send(method, path, body) {
  return request(method, path, body, true, ACTION_LIMIT_MS);
}

async function request(method, path, body, withToken, limit) {
  const headers = { Accept: "application/json" };
  if (withToken && token !== null) {
    headers.Authorization = `Bearer ${token}`;
  }
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
  }
  const response = await fetch(path, {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
    credentials: "omit",
    cache: "no-store",
    redirect: "error",
    signal: AbortSignal.timeout(limit),
  });
  const text = await response.text();
  const content = parsed(text);
  if (!response.ok) {
    throw new Rejection(response.status, reason(content, text, response.status));
  }
  return content;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function reason(content, text, status) {
  const error = content?.error;
  if (typeof error === "string") {
    return error;
  }
  return error?.message ?? content?.detail ?? content?.message ?? (text.trim() || `HTTP status ${status}`);
}
