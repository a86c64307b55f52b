export type SealingRule = "plain-allowed" | "sealed-required";

/** The server's rule, and the procedures (`auth.v1.AuthService/GetMe`) that have their own. */
export type SealingRules = { rule: SealingRule; exceptions: Map<string, SealingRule> };
