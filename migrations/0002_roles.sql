-- Roles form a directed acyclic graph: a role holds its own permissions and those of its parents.
CREATE TABLE roles (
  name text PRIMARY KEY,
  description text NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE role_parents (
  role text NOT NULL REFERENCES roles ON DELETE CASCADE,
  parent text NOT NULL REFERENCES roles ON DELETE CASCADE,
  PRIMARY KEY (role, parent),
  CONSTRAINT role_parents_not_itself CHECK (role <> parent)
);

CREATE TABLE role_permissions (
  role text NOT NULL REFERENCES roles ON DELETE CASCADE,
  permission text NOT NULL,
  PRIMARY KEY (role, permission)
);

CREATE TABLE user_roles (
  user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  role text NOT NULL REFERENCES roles ON DELETE CASCADE,
  granted_at timestamptz NOT NULL,
  PRIMARY KEY (user_id, role)
);
CREATE INDEX user_roles_role_idx ON user_roles (role);

INSERT INTO roles (name, description) VALUES
  ('user', 'Every account that registers.'),
  ('admin', 'Administers users and roles.');
INSERT INTO role_permissions (role, permission) VALUES
  ('admin', 'users:*'), ('admin', 'roles:*'), ('admin', 'audit:read');

-- What a user may do, inherited roles included. UNION, not UNION ALL: a cycle that slipped in could not loop.
CREATE FUNCTION effective_grants(of_user uuid) RETURNS TABLE (roles text[], permissions text[])
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  WITH RECURSIVE held (role) AS (
    SELECT role FROM user_roles WHERE user_id = of_user
    UNION
    SELECT role_parents.parent FROM held JOIN role_parents ON role_parents.role = held.role
  )
  SELECT
    coalesce((SELECT array_agg(role ORDER BY role) FROM held), '{}'),
    coalesce((SELECT array_agg(DISTINCT permission ORDER BY permission) FROM held JOIN role_permissions USING (role)), '{}')
$$;
