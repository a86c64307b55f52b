import { byId } from "./dom.js";
import { mainStep } from "./exchange.js";
import { showChallenge } from "./factor.js";
import { loginText } from "./lab.js";
import { clearSessions, showSessions } from "./sessions.js";
import { USER_DATA_ACTIONS } from "./user-data.js";

const PAGE_SIZE = 10;

const value = (id) => byId(id).value;

/** What a user does: by the id of the form or button that does it. `input` is the clear text where a refusal hides it. */
export const ACTIONS = {
  login: {
    title: "Log in",
    input: () => loginText(credentials()),
    async work({ client }, call) {
      const result = await client.login(credentials());
      if (result.mfaRequired) {
        call.why = "The password is right, and no session is open yet: the code of the second factor is still to come.";
        showChallenge(result);
        call.stayAt = byId("verify");
        return;
      }
      // The same user, perhaps, and still another session.
      clearSessions();
    },
  },
  register: {
    title: "Register",
    input: () => JSON.stringify({ ...registration(), use_cookie: true }),
    work: ({ client }) => client.register(registration()),
  },
  me: { title: "Who am I", input: () => "{}", work: ({ client }) => client.me() },
  refresh: { title: "Refresh", input: () => '{"use_cookie":true}', work: ({ client }) => client.refresh() },
  list: {
    title: "List sessions",
    input: () => `{"page_size":${PAGE_SIZE}}`,
    async work({ client, revoke }) {
      const { sessions } = await client.listSessions({ pageSize: PAGE_SIZE });
      showSessions(sessions, revoke);
    },
  },
  change: {
    title: "Change password",
    input: () => JSON.stringify({ current_password: value("current"), new_password: value("next") }),
    work: ({ client }) => client.changePassword({ currentPassword: value("current"), newPassword: value("next") }),
  },
  logout: { title: "Log out", input: () => "{}", work: ({ client }) => client.logout() },
  ...USER_DATA_ACTIONS,
};

/** Ends one of the listed sessions, and lists those that are left: nobody is there to ask after one's own. */
export function revocation({ id, current }) {
  return {
    title: "Revoke a session",
    input: () => JSON.stringify({ session_id: id }),
    why: current
      ? "This session is over. The client learns of it when it refreshes, as it does here at once: the server refuses."
      : undefined,
    async work({ client }, call) {
      await client.revokeSession(id);
      if (!current) {
        byId("list").click();
        return;
      }
      clearSessions();
      call.focus = mainStep(call);
      await client.refresh().catch((error) => {
        if (!error.code?.startsWith("refresh_")) throw error;
      });
    },
  };
}

export function credentials() {
  return { identifier: value("identifier"), password: value("password") };
}

function registration() {
  return { email: value("email"), username: value("username"), password: value("new-password") };
}
