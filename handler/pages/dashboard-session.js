
// Who is signed in. Tokens are kept in the memory of this tab alone: what is stored outlives the
// tab, and a copied tab would send the same refresh token twice, which ends every session that
// came of it. So a reload asks to sign in again.

/** An answer that takes longer is not waited for. */
const PATIENCE_MS = 10_000;
/** So long before its end a token is exchanged. */
const EARLY_MS = 60_000;
/** How long after an exchange that failed it is tried again. */
const AGAIN_MS = 10_000;

/** The session is over, for this reason. */
class Ended extends Error {}

/** The server did not answer as hoped. */
class Failed extends Error {
  constructor(message, status = 0, retryAfter = 0) {
    super(message);
    Object.assign(this, { status, retryAfter });
  }
}

class Session {
  #token = null;
  #refreshToken = null;
  #refreshAt = Infinity;
  #refreshing = null;

  get isOpen() {
    return this.#token !== null;
  }

  async signIn(email, password) {
    const response = await send("/login", { method: "POST", body: { email, password } });
    if (!response.ok) throw await failure(response);
    this.#take(await jsonOf(response));
    try {
      await this.#assertAdministrator();
    } catch (error) {
      this.forget();
      throw error;
    }
  }

  /** Who is none may sign in, but sees nothing here. */
  async #assertAdministrator() {
    const me = await send("/me", { token: this.#token });
    if (me.status === 403) throw new Failed("This account is disabled.", 403);
    if (!me.ok) throw await failure(me);
    if ((await me.json()).admin !== true) throw new Failed("This account is not an administrator's. An administrator can change that.", 403);
  }

  /** Ends it for good, with every other session of the user. Here it is closed at once. */
  async signOut() {
    // Of an exchange that is on its way the server may know, and we not.
    const isExchanging = this.#refreshing !== null;
    const leaving = this.#handOver();
    try {
      await leaving.ask("/logout", { method: "POST" });
    } catch (error) {
      if (!(error instanceof Ended) || isExchanging) throw error;
    }
  }

  /** What is held, to another one. */
  #handOver() {
    const other = new Session();
    other.#token = this.#token;
    other.#refreshToken = this.#refreshToken;
    this.forget();
    return other;
  }

  forget() {
    this.#token = this.#refreshToken = null;
    this.#refreshAt = Infinity;
  }

  /** Asks with the token, exchanged before if its end is near or after if it is refused. */
  async ask(path, { method = "GET", signal } = {}) {
    if (Date.now() >= this.#refreshAt) await this.#refreshIfPossible();
    let response = await send(path, { method, token: this.#token, signal });
    if (response.status === 401 && this.#token) {
      await this.#refresh();
      response = await send(path, { method, token: this.#token, signal });
    }
    if (response.status === 401) throw this.#end("Your session has ended. Sign in to go on.");
    if (response.status === 403) throw this.#end(await this.#whyNot());
    if (!response.ok) throw await failure(response);
    return response;
  }

  /** The token in hand is used for as long as it is taken. */
  async #refreshIfPossible() {
    try {
      await this.#refresh();
    } catch (error) {
      if (error instanceof Ended) throw error;
      this.#refreshAt = Date.now() + AGAIN_MS;
    }
  }

  /** One exchange at a time: a refresh token is good once. */
  #refresh() {
    this.#refreshing ??= this.#exchange().finally(() => (this.#refreshing = null));
    return this.#refreshing;
  }

  async #exchange() {
    const refreshToken = this.#refreshToken;
    const response = await send("/login/refresh", { method: "POST", body: { refreshToken } });
    const tokens = response.ok ? await jsonOf(response) : null;
    if (this.#refreshToken !== refreshToken) throw new Failed("Signed out meanwhile.");
    if (tokens) return this.#take(tokens);
    if (response.status === 401 || response.status === 403) throw this.#end("Your session has ended. Sign in to go on.");
    throw await failure(response);
  }

  #take({ idToken, refreshToken, expiresIn }) {
    const lifeMs = Number(expiresIn) * 1000;
    this.#token = idToken;
    this.#refreshToken = refreshToken;
    this.#refreshAt = Date.now() + Math.max(lifeMs - EARLY_MS, lifeMs / 2);
  }

  #end(why) {
    this.forget();
    return new Ended(why);
  }

  async #whyNot() {
    const me = await send("/me", { token: this.#token });
    if (me.ok && (await me.json()).admin === false) return "This account is no administrator's any more.";
    return me.status === 403 ? "This account has been disabled." : "This account may not see this any more.";
  }
}

async function send(path, { method = "GET", body, token, signal } = {}) {
  const headers = { Accept: "application/json, application/x-ndjson" };
  if (body) headers["Content-Type"] = "application/json";
  if (token) headers.Authorization = `Bearer ${token}`;
  const limit = AbortSignal.timeout(PATIENCE_MS);
  try {
    return await fetch(path, { method, headers, body: body && JSON.stringify(body), cache: "no-store", signal: signal ? AbortSignal.any([signal, limit]) : limit });
  } catch (error) {
    throw new Failed(error.name === "TimeoutError" ? `No answer in ${PATIENCE_MS / 1000} seconds.` : "The server cannot be reached.");
  }
}

/** What stands between here and the service may answer with a page of its own. */
async function jsonOf(response) {
  try {
    return await response.json();
  } catch {
    throw new Failed("The answer is not what was expected.");
  }
}

async function failure(response) {
  const retryAfter = Number(response.headers.get("retry-after")) || 0;
  const wait = response.status === 429 && retryAfter ? ` Try again in ${retryAfter} s.` : "";
  return new Failed((await problemOf(response)) + wait, response.status, retryAfter);
}
