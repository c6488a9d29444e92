CREATE TABLE item (id INTEGER PRIMARY KEY, kind INTEGER, price REAL, name TEXT);
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
    INSERT INTO item SELECT i, i * 7919 % 101, i * 37 % 1009 / 8.0, printf('item %05d', i * 104729 % 99991) FROM n;
COMMIT;
CREATE INDEX item_kind ON item (kind, price);
CREATE INDEX item_name ON item (name);
UPDATE item SET price = price * 1.25 WHERE kind IN (SELECT kind FROM item GROUP BY kind HAVING avg(price) < 62);
DELETE FROM item WHERE id % 17 = 3;
SELECT kind, count(*), round(sum(price), 3), min(name), max(name) FROM item GROUP BY kind ORDER BY 3 DESC LIMIT 20;
SELECT count(*), round(total(a.price - b.price), 3) FROM item a JOIN item b ON a.kind = b.kind AND b.id = a.id + 101;
SELECT count(*) FROM item WHERE name LIKE '%77%' OR name GLOB 'item 1*9';
SELECT a.name FROM item a WHERE a.price = (SELECT max(price) FROM item b WHERE b.kind = a.kind) ORDER BY a.name LIMIT 10;
PRAGMA integrity_check;
