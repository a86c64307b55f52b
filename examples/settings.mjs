/** Where everything is, by the environment or by default. */
export const settings = {
  sello: process.env.SELLO_URL ?? "http://localhost:8080",
  page: "http://localhost:4100",
  express: "http://localhost:4101",
  fastify: "http://localhost:4102",
};

/**
 * The pages that the back ends let call: the example's own, unless SHOP_CORS_ORIGINS names others, with commas between them.
 * @param {Record<string, string | undefined>} env
 */
export function originsOf(env) {
  const origins = (env.SHOP_CORS_ORIGINS ?? settings.page).split(",").map((each) => each.trim());
  for (const origin of origins) {
    if (!URL.canParse(origin) || new URL(origin).origin !== origin) {
      throw new Error(
        `SHOP_CORS_ORIGINS: "${origin}" is no origin. Write scheme, host and port, as in ${settings.page}`,
      );
    }
  }
  return origins;
}

/** @param {string} url */
export const portOf = (url) => Number(new URL(url).port);
