import { checkFields, dataOf, showData } from "./data-fields.js";
import { byId } from "./dom.js";
import { createProfile } from "./user-data.min.js";

const value = (id) => byId(id).value;
const password = () => value("private-password");
const showProfile = ({ dataPublic, dataProtected }) => showData({ public: dataPublic, protected: dataProtected });
const showPrivate = ({ dataPrivate }) => showData({ private: dataPrivate });

/** The user's data in its classes, by the id of the form or button. Data is JSON, so that any message of `userdata.proto` will do. */
export const USER_DATA_ACTIONS = {
  "save-profile": {
    title: "Save the profile",
    check: () => checkFields(["public", "protected"]),
    input: () => `{"data_public":${value("data-public")},"data_protected":${value("data-protected")}}`,
    work: async ({ client }) =>
      showProfile(
        await createProfile(client).updateProfile({ dataPublic: dataOf("public"), dataProtected: dataOf("protected") }),
      ),
  },
  "read-profile": {
    title: "Read the profile",
    input: () => "{}",
    async work({ client }, call) {
      showProfile(await createProfile(client).getProfile({}));
      call.stayAt = byId("save-profile");
    },
  },
  "save-private": {
    title: "Save the private data",
    check: () => checkFields(["private"]),
    input: () => `{"password":${JSON.stringify(password())},"data_private":${value("data-private")}}`,
    work: async ({ client }) => {
      await createProfile(client).updatePrivateData({ password: password(), dataPrivate: dataOf("private") });
    },
  },
  unlock: {
    title: "Unlock the private data",
    input: () => JSON.stringify({ password: password() }),
    async work({ client }, call) {
      showPrivate(await createProfile(client).unlockPrivateData({ password: password() }));
      call.stayAt = byId("save-private");
    },
  },
};
