-- A database as migration 0003 left it, with rows in every table. Kept as it is: upgrades are tested on it.
BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0003');
CREATE TABLE cells (
	comparison TEXT NOT NULL, 
	lane INTEGER NOT NULL, 
	prompt INTEGER NOT NULL, 
	repeat INTEGER NOT NULL, 
	cell TEXT NOT NULL, 
	PRIMARY KEY (comparison, lane, prompt, repeat)
);
INSERT INTO "cells" VALUES('k1',0,0,0,'{"lane":0,"prompt":0,"repeat":0,"state":"answered","answer":{"text":"Ho"},"attempts":[{"model":"primary","provider":"openrouter","place":0,"number":1,"outcome":"failed","started":1780000000.0,"offset":0.0,"reason":"server_failed","detail":"It said no.","latency":0.4,"status":503},{"model":"fallback","provider":"openrouter","place":1,"number":1,"outcome":"answered","started":1780000000.5,"offset":0.5,"latency":2.5,"ttft":0.75,"status":200,"served_model":"fallback-1","served_by":"host","generation_id":"gen-1","usage":{"prompt_tokens":11,"completion_tokens":120,"cached_tokens":3,"cache_write_tokens":2,"reasoning_tokens":5,"cost":0.5},"cost":0.0125,"cost_source":"provider"}]}');
INSERT INTO "cells" VALUES('k1',1,0,0,'{"lane":1,"prompt":0,"repeat":0,"state":"failed","error":"No."}');
CREATE TABLE comparisons (
	id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	created FLOAT NOT NULL, 
	"plan" TEXT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "comparisons" VALUES('k1','First',1780000000.0,'{"lanes":[{"category":"chat"},{"model":"primary"}],"prompts":[{"text":"Hi","category":"chat"}]}');
CREATE TABLE conversations (
	id TEXT NOT NULL, 
	created FLOAT NOT NULL, 
	updated FLOAT NOT NULL, 
	settings TEXT NOT NULL, title TEXT, 
	PRIMARY KEY (id)
);
INSERT INTO "conversations" VALUES('c1',1780000000.0,1.79546125768550443643e+09,'{"category":"chat"}','The sky');
CREATE TABLE files (
	conversation TEXT NOT NULL, 
	id TEXT NOT NULL, 
	data BLOB NOT NULL, 
	PRIMARY KEY (conversation, id)
);
INSERT INTO "files" VALUES('c1','4c2098b97569a0ccfbc5a2d6d5ba4b22de4359898d153ddfca5cc070081374f6',X'497427732061206E6F74652E');
CREATE TABLE observations (
	id INTEGER NOT NULL, 
	request_id TEXT NOT NULL, 
	prompt_hash TEXT NOT NULL, 
	category TEXT, 
	chain TEXT NOT NULL, 
	source TEXT NOT NULL, 
	sample INTEGER NOT NULL, 
	model TEXT NOT NULL, 
	provider TEXT NOT NULL, 
	place INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	outcome TEXT NOT NULL, 
	reason TEXT, 
	status INTEGER, 
	started FLOAT NOT NULL, 
	"offset" FLOAT NOT NULL, 
	wait FLOAT NOT NULL, 
	queued FLOAT NOT NULL, 
	latency FLOAT, 
	ttft FLOAT, 
	served_model TEXT, 
	served_by TEXT, 
	generation_id TEXT, 
	prompt_tokens INTEGER, 
	completion_tokens INTEGER, 
	cached_tokens INTEGER, 
	reasoning_tokens INTEGER, 
	cost FLOAT, 
	cost_source TEXT, 
	cached BOOLEAN NOT NULL, 
	shared BOOLEAN NOT NULL, 
	injected BOOLEAN NOT NULL, cache_write_tokens INTEGER, 
	PRIMARY KEY (id)
);
INSERT INTO "observations" VALUES(1,'r0','5ea0000000000000000000000000000000000000000000000000000000000000','chat','c0ffee123456','chat',0,'primary','openrouter',0,1,'failed','server_failed',503,1780000000.0,0.0,0.0,0.0,0.4,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,NULL);
INSERT INTO "observations" VALUES(2,'r0','5ea0000000000000000000000000000000000000000000000000000000000000','chat','c0ffee123456','chat',0,'fallback','openrouter',1,1,'answered',NULL,200,1780000000.5,0.5,0.0,0.0,2.5,0.75,'fallback-1','host','gen-1',11,120,3,5,0.0125,'provider',0,0,0,2);
INSERT INTO "observations" VALUES(3,'r1','5ea0000000000000000000000000000000000000000000000000000000000000','chat','c0ffee123456','chat',0,'primary','openrouter',0,0,'skipped','breaker_open',NULL,1780007200.0,0.0,0.0,0.0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,NULL);
INSERT INTO "observations" VALUES(4,'r1','5ea0000000000000000000000000000000000000000000000000000000000000','chat','c0ffee123456','chat',0,'fallback','openrouter',1,1,'answered',NULL,200,1780007200.0,0.0,0.0,0.0,1.25,0.5,NULL,NULL,NULL,11,120,3,5,NULL,NULL,1,0,0,2);
CREATE TABLE requests (
	id INTEGER NOT NULL, 
	request_id TEXT NOT NULL, 
	started FLOAT NOT NULL, 
	category TEXT, 
	chain TEXT NOT NULL, 
	source TEXT NOT NULL, 
	outcome TEXT NOT NULL, 
	path TEXT NOT NULL, 
	model TEXT, 
	place INTEGER, 
	latency FLOAT NOT NULL, 
	ttft FLOAT, 
	cost FLOAT, 
	cached BOOLEAN NOT NULL, 
	shared BOOLEAN NOT NULL, 
	injected BOOLEAN NOT NULL, 
	stand_in BOOLEAN NOT NULL, 
	keyless BOOLEAN NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "requests" VALUES(1,'r0',1780000000.0,'chat','c0ffee123456','chat','answered','[["primary","openrouter",0,"failed","server_failed"],["fallback","openrouter",1,"answered",null]]','fallback',1,3.0,1.25,0.0125,0,0,0,0,0);
INSERT INTO "requests" VALUES(2,'r1',1780007200.0,'chat','c0ffee123456','chat','answered','[["primary","openrouter",0,"skipped","breaker_open"],["fallback","openrouter",1,"answered",null]]','fallback',1,0.0,0.0,0.0,1,0,0,0,0);
CREATE TABLE templates (
	id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	text TEXT NOT NULL, 
	updated FLOAT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "templates" VALUES('93035fd6d0d34ec59e46377e5ef6d730','greeting','Hello {{name}}',1.79546125773983430862e+09);
CREATE TABLE turns (
	id TEXT NOT NULL, 
	conversation TEXT NOT NULL, 
	created FLOAT NOT NULL, 
	turn TEXT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "turns" VALUES('t1','c1',1780000000.0,'{"id":"t1","conversation":"c1","parent":null,"created":1780000000.0,"prompt":"Why is the sky blue? It''s odd.","settings":{"category":"chat","system":"Be brief."},"attachments":[{"id":"4c2098b97569a0ccfbc5a2d6d5ba4b22de4359898d153ddfca5cc070081374f6","name":"note.txt","media_type":"text/plain","size":12}],"state":"answered","answer":{"text":"Rayleigh\nscattering — 𝄞."},"attempts":[{"model":"primary","provider":"openrouter","place":0,"number":1,"outcome":"failed","started":1780000000.0,"offset":0.0,"reason":"server_failed","detail":"It said no.","latency":0.4,"status":503},{"model":"fallback","provider":"openrouter","place":1,"number":1,"outcome":"answered","started":1780000000.5,"offset":0.5,"latency":2.5,"ttft":0.75,"status":200,"served_model":"fallback-1","served_by":"host","generation_id":"gen-1","usage":{"prompt_tokens":11,"completion_tokens":120,"cached_tokens":3,"cache_write_tokens":2,"reasoning_tokens":5,"cost":0.5},"cost":0.0125,"cost_source":"provider"}]}');
INSERT INTO "turns" VALUES('t2','c1',1780007200.0,'{"id":"t2","conversation":"c1","parent":"t1","created":1780007200.0,"prompt":"And green?","settings":{"category":"chat"},"state":"failed","error":"All models failed."}');
CREATE TABLE votes (
	id TEXT NOT NULL, 
	created FLOAT NOT NULL, 
	comparison TEXT NOT NULL, 
	prompt INTEGER NOT NULL, 
	category TEXT, 
	"left" TEXT NOT NULL, 
	"right" TEXT NOT NULL, 
	winner TEXT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "votes" VALUES('v1',1780000060.0,'k1',0,'chat','chat','primary','left');
CREATE INDEX observations_started ON observations (started);
CREATE INDEX observations_request ON observations (request_id);
CREATE INDEX turns_conversation ON turns (conversation);
CREATE INDEX requests_started ON requests (started);
COMMIT;
