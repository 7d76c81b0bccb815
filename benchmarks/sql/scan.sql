SELECT
  "t11"."customer",
  "t11"."interval",
  "t11"."shown",
  COUNT(CASE WHEN "t11"."event" = 'login' THEN 1 ELSE CAST(NULL AS TINYINT) END) AS "n_login",
  SUM(CASE WHEN "t11"."event" = 'login' THEN "t11"."quantity" ELSE NULL END) AS "q_login",
  COUNT(CASE WHEN "t11"."event" = 'report' THEN 1 ELSE CAST(NULL AS TINYINT) END) AS "n_report",
  SUM(CASE WHEN "t11"."event" = 'report' THEN "t11"."quantity" ELSE NULL END) AS "q_report",
  COUNT(CASE WHEN "t11"."event" = 'export' THEN 1 ELSE CAST(NULL AS TINYINT) END) AS "n_export",
  SUM(CASE WHEN "t11"."event" = 'export' THEN "t11"."quantity" ELSE NULL END) AS "q_export",
  COUNT(CASE WHEN "t11"."event" = 'api_call' THEN 1 ELSE CAST(NULL AS TINYINT) END) AS "n_api_call",
  SUM(CASE WHEN "t11"."event" = 'api_call' THEN "t11"."quantity" ELSE NULL END) AS "q_api_call",
  COUNT(CASE WHEN "t11"."occurred_at" IS NOT NULL THEN 1 ELSE CAST(NULL AS TINYINT) END) AS "n_all",
  SUM("t11"."quantity") AS "q_all",
  COUNT(CASE WHEN "t11"."quantity" > 10 THEN 1 ELSE CAST(NULL AS TINYINT) END) AS "n_large",
  COUNT(CASE WHEN "t11"."user_id" = 'u1' THEN 1 ELSE CAST(NULL AS TINYINT) END) AS "n_first_user"
FROM (
  SELECT
    "t10"."customer_id",
    "t10"."occurred_at",
    "t10"."known_at",
    "t10"."event",
    "t10"."quantity",
    "t10"."user_id",
    "t10"."at_unit",
    "t10"."known_unit",
    "t10"."interval",
    "t10"."at_shown",
    "t10"."day",
    "t10"."known_unit_right",
    "t10"."known_shown",
    "t10"."customer",
    GREATEST("t10"."at_shown", COALESCE("t10"."known_shown", 0)) AS "shown"
  FROM (
    SELECT
      "t9"."customer_id",
      "t9"."occurred_at",
      "t9"."known_at",
      "t9"."event",
      "t9"."quantity",
      "t9"."user_id",
      "t9"."at_unit",
      "t9"."known_unit",
      "t7"."interval",
      "t7"."at_shown",
      "t7"."day",
      "t6"."known_unit" AS "known_unit_right",
      "t6"."known_shown",
      "t3"."customer"
    FROM (
      SELECT
        "t0"."customer_id",
        "t0"."occurred_at",
        "t0"."known_at",
        "t0"."event",
        "t0"."quantity",
        "t0"."user_id",
        DATE_TRUNC('DAY', "t0"."occurred_at") AS "at_unit",
        CASE
          WHEN "t0"."known_at" > "t0"."occurred_at"
          THEN DATE_TRUNC('DAY', "t0"."known_at")
          ELSE CAST(NULL AS TIMESTAMP(6))
        END AS "known_unit"
      FROM "ibis_read_parquet_aezm3opiuvgxrm2m4mzscrfhne" AS "t0"
      WHERE
        "t0"."occurred_at" < MAKE_TIMESTAMP(2026, 10, 27, 0, 0, 0.0)
        AND "t0"."known_at" < MAKE_TIMESTAMP(2026, 10, 27, 0, 0, 0.0)
    ) AS "t9"
    INNER JOIN (
      SELECT
        "t2"."unit" AS "at_unit",
        "t2"."interval",
        "t2"."shown" AS "at_shown",
        "t2"."day"
      FROM "ibis_pyarrow_memtable_mfgrjjmzurhg7fypsgtxzuceom" AS "t2"
    ) AS "t7"
      ON "t9"."at_unit" = "t7"."at_unit"
    LEFT OUTER JOIN (
      SELECT
        "t2"."unit" AS "known_unit",
        "t2"."shown" AS "known_shown"
      FROM "ibis_pyarrow_memtable_mfgrjjmzurhg7fypsgtxzuceom" AS "t2"
    ) AS "t6"
      ON "t9"."known_unit" = "t6"."known_unit"
    INNER JOIN "ibis_pyarrow_memtable_nqclgv6bjnfedhlyim3fholz7y" AS "t3"
      ON "t9"."customer_id" = "t3"."customer_id"
  ) AS "t10"
) AS "t11"
GROUP BY
  1,
  2,
  3
