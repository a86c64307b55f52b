/**
 * oidc-provider on PostgreSQL with rotating refresh tokens and introspection. The first tokens are minted in the process,
 * since no browser is here; what is measured goes over its own endpoints. Opaque tokens and no ID token: the cheapest there is.
 */
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import Provider from "oidc-provider";
import pg from "pg";
import { ready, settings } from "../src/child.mjs";
import { createAdapter } from "./oidc-adapter.mjs";

const { port, databaseUrl, chains } = settings;
const Adapter = await createAdapter(new pg.Pool({ connectionString: databaseUrl, max: 10 }));
const clientId = "bench";
const clientSecret = "only-for-the-bench";
const scope = "offline_access";

const provider = new Provider(`http://127.0.0.1:${port}`, {
  adapter: Adapter,
  clients: [
    {
      client_id: clientId,
      client_secret: clientSecret,
      grant_types: ["authorization_code", "refresh_token"],
      redirect_uris: ["https://app.example.com/callback"],
      response_types: ["code"],
      id_token_signed_response_alg: "ES256",
    },
  ],
  cookies: { keys: ["only for the bench"] },
  features: { devInteractions: { enabled: false }, introspection: { enabled: true } },
  findAccount: async (_ctx, accountId) => ({ accountId, claims: async () => ({ sub: accountId }) }),
  jwks: {
    keys: [
      {
        ...generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" }),
        alg: "ES256",
        use: "sig",
      },
    ],
  },
  rotateRefreshToken: true,
  scopes: ["offline_access"],
  ttl: { AccessToken: 900, RefreshToken: 604_800, Grant: 604_800 },
});

const client = await provider.Client.find(clientId);
async function mint(accountId) {
  const grant = new provider.Grant({ accountId, clientId });
  grant.addOIDCScope(scope);
  const grantId = await grant.save();
  const about = { accountId, client, grantId, gty: "authorization_code", scope };
  return {
    refreshToken: await new provider.RefreshToken(about).save(),
    accessToken: await new provider.AccessToken(about).save(),
  };
}

createServer(provider.callback()).listen(port, "127.0.0.1", async () => {
  const minted = await Promise.all(Array.from({ length: chains }, (_, i) => mint(`user${i}`)));
  ready({ minted, authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString("base64")}` });
});
