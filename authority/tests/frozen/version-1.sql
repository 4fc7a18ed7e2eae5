CREATE TABLE public.answers (
    client text NOT NULL,
    word text NOT NULL,
    digest bytea NOT NULL,
    line bigint NOT NULL
);
CREATE TABLE public.challenges (
    nonce bytea NOT NULL,
    "time" bigint NOT NULL,
    role bigint NOT NULL,
    holder text NOT NULL,
    replaces text,
    used bigint NOT NULL
);
CREATE TABLE public.heads (
    size bigint NOT NULL,
    head text NOT NULL
);
CREATE TABLE public.holders (
    name text NOT NULL,
    line bigint NOT NULL,
    issued bigint NOT NULL,
    role bigint NOT NULL,
    point bytea NOT NULL,
    mark bytea NOT NULL,
    epoch bigint NOT NULL,
    certificate bytea NOT NULL,
    replaces text,
    delivered bigint NOT NULL,
    revoked text
);
CREATE TABLE public.lines (
    sequence bigint NOT NULL,
    entry text NOT NULL
);
CREATE TABLE public.lists (
    sequence bigint NOT NULL,
    list bytea NOT NULL
);
CREATE TABLE public.nodes (
    level bigint NOT NULL,
    place bigint NOT NULL,
    hash bytea NOT NULL
);
CREATE TABLE public.serials (
    prefix text NOT NULL,
    highest bigint NOT NULL
);
CREATE TABLE public.tail (
    id bigint NOT NULL,
    version bigint NOT NULL,
    size bigint NOT NULL,
    "time" bigint NOT NULL,
    root bytea NOT NULL,
    CONSTRAINT tail_id_check CHECK ((id = 1))
);
INSERT INTO public.challenges VALUES ('\x643cb69713b34bc9cf72712aaef087a8', 1795272825, 2, 'ZZOLD00002', NULL, 1);
INSERT INTO public.challenges VALUES ('\xaef715f41403a55572d4ab62e1158815', 1795272826, 2, 'ZZOPEN00001', NULL, 0);
INSERT INTO public.challenges VALUES ('\xb27bd6fa14494466f802a723ad81947c', 1795272826, 2, 'ZZOLD00003', NULL, 1);
INSERT INTO public.challenges VALUES ('\xe4623bff5a7bae9ae67d3dfae34ca5a0', 1795272825, 2, 'ZZOLD00001', NULL, 0);
INSERT INTO public.heads VALUES (11, '{"issuer":"ZZTALLYROOT00001","time":1795272826,"size":11,"root":"c3b3d6418654ad50deb677f8f414d1fb2014dc55e7224e8b6d323f5dfd0de303","signature":"e99b88901ce330d888348c6e2f64179c4af0d0ba7966d877bdd71500940ca2ee5464986e375996a380e9070e440c9b393080ca08e0408fab13a8202719ae04ec"}');
INSERT INTO public.holders VALUES ('ZZOLD00002', 4, 1795272825, 2, '\x033d61a627c859337e50f30667be8834b2eb37f91549529ed02fef124e2465557d', '\x0e3ed4e7b0a27986b639f1ea', 0, '\x7f2181bd7f4e775f29010042105a5a54414c4c59524f4f5430303030317f492f060a04007f000702020202038621033d61a627c859337e50f30667be8834b2eb37f91549529ed02fef124e2465557d5f200a5a5a4f4c4430303030327f4c0d060488370301530502000000005f25060206010102015f24060208010102005f37408ff5fa561e989e6fab237202d6067d83f90a2744dbf6748b07fea12f91e5df9157b7d401777a77b22b4e9d5f13c7154596649a360bd5fc265f5bd45eeb9ce9ef', NULL, 1, 'frozen');
INSERT INTO public.holders VALUES ('ZZOLD00003', 7, 1795272826, 2, '\x0391c7c6332bc4b9e8304f08fd04f8551ab4a2511da3bbca16ee1790b80a6242f4', '\x255f0b33a3c103c09cc3a1dd', 0, '\x7f2181bd7f4e775f29010042105a5a54414c4c59524f4f5430303030317f492f060a04007f0007020202020386210391c7c6332bc4b9e8304f08fd04f8551ab4a2511da3bbca16ee1790b80a6242f45f200a5a5a4f4c4430303030337f4c0d060488370301530502000000005f25060206010102015f24060208010102005f37401a0c737b0e74bc1ac70eee9ae22d64749603e6df35b2fbac122ab19b85d16154d1f230f0607baf762adbdeb3e707ef635d19d6c2a5f9f12fa1fb9e5e2f04ec84', NULL, 1, NULL);
INSERT INTO public.lines VALUES (1, '{"sequence":1,"time":1795272825,"event":{"kind":"root","holder":"ZZTALLYROOT00001","key_id":"459635c8c9ee4309","certificate":"7f218201947f4e82014c5f29010042105a5a54414c4c59524f4f5430303030317f4981fd060a04007f000702020202038120ffffffff00000001000000000000000000000000ffffffffffffffffffffffff8220ffffffff00000001000000000000000000000000fffffffffffffffffffffffc83205ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b8441046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f58520ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551862102fd525b305688ec8d4fca36bf445a8c223682255a724996e32bd74570d36cc5228701015f20105a5a54414c4c59524f4f5430303030317f4c0d0604883703015305c0000000005f25060206010102015f24060401010102005f3740ed3603c20310e8916b648d9b6fab5dfd73cfbef479d05eccfa339a5b7b479f79f4409927c076ce80f15ad2d809249420d69ed8a3269c61da5568043edc73a193"}}');
INSERT INTO public.lines VALUES (2, '{"sequence":2,"time":1795272825,"event":{"kind":"challenge","nonce":"e4623bff5a7bae9ae67d3dfae34ca5a0","role":"terminal","holder":"ZZOLD00001","replaces":null}}');
INSERT INTO public.lines VALUES (3, '{"sequence":3,"time":1795272825,"event":{"kind":"challenge","nonce":"643cb69713b34bc9cf72712aaef087a8","role":"terminal","holder":"ZZOLD00002","replaces":null}}');
INSERT INTO public.lines VALUES (4, '{"sequence":4,"time":1795272825,"event":{"kind":"issued","nonce":"643cb69713b34bc9cf72712aaef087a8","role":"terminal","holder":"ZZOLD00002","key_id":"b105afd9d0fccf15","replaces":null,"certificate":"7f2181bd7f4e775f29010042105a5a54414c4c59524f4f5430303030317f492f060a04007f000702020202038621033d61a627c859337e50f30667be8834b2eb37f91549529ed02fef124e2465557d5f200a5a5a4f4c4430303030327f4c0d060488370301530502000000005f25060206010102015f24060208010102005f37408ff5fa561e989e6fab237202d6067d83f90a2744dbf6748b07fea12f91e5df9157b7d401777a77b22b4e9d5f13c7154596649a360bd5fc265f5bd45eeb9ce9ef"}}');
INSERT INTO public.lines VALUES (5, '{"sequence":5,"time":1795272825,"event":{"kind":"delivered","holder":"ZZOLD00002"}}');
INSERT INTO public.lines VALUES (6, '{"sequence":6,"time":1795272826,"event":{"kind":"challenge","nonce":"b27bd6fa14494466f802a723ad81947c","role":"terminal","holder":"ZZOLD00003","replaces":null}}');
INSERT INTO public.lines VALUES (7, '{"sequence":7,"time":1795272826,"event":{"kind":"issued","nonce":"b27bd6fa14494466f802a723ad81947c","role":"terminal","holder":"ZZOLD00003","key_id":"cc2c2db62dee14a3","replaces":null,"certificate":"7f2181bd7f4e775f29010042105a5a54414c4c59524f4f5430303030317f492f060a04007f0007020202020386210391c7c6332bc4b9e8304f08fd04f8551ab4a2511da3bbca16ee1790b80a6242f45f200a5a5a4f4c4430303030337f4c0d060488370301530502000000005f25060206010102015f24060208010102005f37401a0c737b0e74bc1ac70eee9ae22d64749603e6df35b2fbac122ab19b85d16154d1f230f0607baf762adbdeb3e707ef635d19d6c2a5f9f12fa1fb9e5e2f04ec84"}}');
INSERT INTO public.lines VALUES (8, '{"sequence":8,"time":1795272826,"event":{"kind":"delivered","holder":"ZZOLD00003"}}');
INSERT INTO public.lines VALUES (9, '{"sequence":9,"time":1795272826,"event":{"kind":"challenge","nonce":"aef715f41403a55572d4ab62e1158815","role":"terminal","holder":"ZZOPEN00001","replaces":null}}');
INSERT INTO public.lines VALUES (10, '{"sequence":10,"time":1795272826,"event":{"kind":"revoked","holder":"ZZOLD00002","reason":"frozen"}}');
INSERT INTO public.lines VALUES (11, '{"sequence":11,"time":1795272826,"event":{"kind":"list","sequence":1,"min_epoch":0,"list":"e076e13142105a5a54414c4c59524f4f5430303030318004000000018104000000008203261121830c0e3ed4e7b0a27986b639f1ea5f3740cfed8d4174a2d461eddcb769cc8ddeba5b8a29c444836cd81df517e961f615ea1c7f271ce2ec659ab1842fe762be995af5a6b0abd2b0f908a7ed653d95c7a42a"}}');
INSERT INTO public.lists VALUES (1, '\xe076e13142105a5a54414c4c59524f4f5430303030318004000000018104000000008203261121830c0e3ed4e7b0a27986b639f1ea5f3740cfed8d4174a2d461eddcb769cc8ddeba5b8a29c444836cd81df517e961f615ea1c7f271ce2ec659ab1842fe762be995af5a6b0abd2b0f908a7ed653d95c7a42a');
INSERT INTO public.nodes VALUES (0, 0, '\x613a49498607fda15370266996c8853f054bb3c1ee1cb2d1265ff01faa7c91dd');
INSERT INTO public.nodes VALUES (0, 1, '\x004827631bcc2f36f0724d29df72ba6fd21fca829878871598a347f1738f9fef');
INSERT INTO public.nodes VALUES (0, 2, '\xcd14d314112b2c304f9125266316f6284eee17a3803bacfeec14ace9890374af');
INSERT INTO public.nodes VALUES (0, 3, '\xa4f3d0ebf0d83900abe3c68ab29d9c70fdbee985d7cceed461c4da5a2b50403b');
INSERT INTO public.nodes VALUES (0, 4, '\x733bf1aa8dbb39051ddbf28fe4ff8a5b434eaf47d4380738dcab805994eb6aa4');
INSERT INTO public.nodes VALUES (0, 5, '\x8be44224d14213915cedc7f70ea33b63b0128a58bd9b7077e9166f399fb4c597');
INSERT INTO public.nodes VALUES (0, 6, '\xeaec9faec72e6a67b2d1b678717afe217571cd764522fda94e3b27e1e7610b6d');
INSERT INTO public.nodes VALUES (0, 7, '\x05e286c32c91e9465da753e1e5b2a5992d1b35c03b006b54d93a2e01b4b8d595');
INSERT INTO public.nodes VALUES (0, 8, '\x8cc6a2eec4f0c9697f5f4d27f37f9430106db7005f6cad062e03d4cb1ade891b');
INSERT INTO public.nodes VALUES (0, 9, '\xd007f83a5408f2ba0bebd7f8b3b8cf5335c98cf56bd6ef410e4c83545775a4cf');
INSERT INTO public.nodes VALUES (0, 10, '\xc3b8a372ce298b2ce2b75c0bf6fe6ccd66c08ac741321a980207d4fd03bb6438');
INSERT INTO public.nodes VALUES (1, 0, '\xa820daa2744c983e96266b9181e4a420b53dd667b7707a707e2b2fd142c9f1c9');
INSERT INTO public.nodes VALUES (1, 1, '\x94a3ad2f5330fc40bce83dba1ca8acc96ce801f256bcef997d00c702e2738ac1');
INSERT INTO public.nodes VALUES (1, 2, '\xcaceaf3ad8c409bce8aada600436da2854d2ce2ac2294b0d625938f234bd4d82');
INSERT INTO public.nodes VALUES (1, 3, '\x61fe810e3002348d43f6ffdfc81b3204e6e0846a2274ec704e2032864a02fa5f');
INSERT INTO public.nodes VALUES (1, 4, '\x769f7a20e09fdc2880495d55435a9f2a3c7703a7c1c78f2adfbd3f27bdb0e381');
INSERT INTO public.nodes VALUES (2, 0, '\x84bbb5a68f595a301d67dcd9821f95e59f662ff333582ba727b0bc3dc28350d2');
INSERT INTO public.nodes VALUES (2, 1, '\x8834e22419e77d2a879da95fbd9dfa66cf199ae03e26441fffe09de0d95fae0d');
INSERT INTO public.nodes VALUES (3, 0, '\xff043be0d4e86ff98a12ee5a9fda06784c9029d3a7c6f34517c8cb22e9d8a9b4');
INSERT INTO public.serials VALUES ('ZZOLD', 3);
INSERT INTO public.serials VALUES ('ZZOPEN', 1);
INSERT INTO public.tail VALUES (1, 1, 11, 1795272826, '\x7f218201947f4e82014c5f29010042105a5a54414c4c59524f4f5430303030317f4981fd060a04007f000702020202038120ffffffff00000001000000000000000000000000ffffffffffffffffffffffff8220ffffffff00000001000000000000000000000000fffffffffffffffffffffffc83205ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b8441046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f58520ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551862102fd525b305688ec8d4fca36bf445a8c223682255a724996e32bd74570d36cc5228701015f20105a5a54414c4c59524f4f5430303030317f4c0d0604883703015305c0000000005f25060206010102015f24060401010102005f3740ed3603c20310e8916b648d9b6fab5dfd73cfbef479d05eccfa339a5b7b479f79f4409927c076ce80f15ad2d809249420d69ed8a3269c61da5568043edc73a193');
ALTER TABLE ONLY public.answers
    ADD CONSTRAINT answers_pkey PRIMARY KEY (client, word);
ALTER TABLE ONLY public.challenges
    ADD CONSTRAINT challenges_pkey PRIMARY KEY (nonce);
ALTER TABLE ONLY public.heads
    ADD CONSTRAINT heads_pkey PRIMARY KEY (size);
ALTER TABLE ONLY public.holders
    ADD CONSTRAINT holders_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.holders
    ADD CONSTRAINT holders_point_key UNIQUE (point);
ALTER TABLE ONLY public.lines
    ADD CONSTRAINT lines_pkey PRIMARY KEY (sequence);
ALTER TABLE ONLY public.lists
    ADD CONSTRAINT lists_pkey PRIMARY KEY (sequence);
ALTER TABLE ONLY public.nodes
    ADD CONSTRAINT nodes_pkey PRIMARY KEY (level, place);
ALTER TABLE ONLY public.serials
    ADD CONSTRAINT serials_pkey PRIMARY KEY (prefix);
ALTER TABLE ONLY public.tail
    ADD CONSTRAINT tail_pkey PRIMARY KEY (id);
CREATE INDEX holders_revoked ON public.holders USING btree (epoch) WHERE (revoked IS NOT NULL);
CREATE INDEX holders_waiting ON public.holders USING btree (role, issued) WHERE ((delivered = 0) AND (revoked IS NULL));
