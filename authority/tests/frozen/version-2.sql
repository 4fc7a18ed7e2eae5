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
CREATE TABLE public.clients (
    place bigint NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    fingerprint text NOT NULL,
    added bigint NOT NULL,
    revoked bigint
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
CREATE TABLE public.invitations (
    name text NOT NULL,
    role text NOT NULL,
    code text NOT NULL,
    expires bigint NOT NULL
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
CREATE TABLE public.requests (
    line bigint NOT NULL,
    "time" bigint NOT NULL,
    client text NOT NULL,
    holder text NOT NULL,
    point bytea NOT NULL,
    role bigint NOT NULL,
    replaces text,
    years bigint,
    until bigint NOT NULL,
    request bytea NOT NULL,
    issued bigint,
    refused text
);
CREATE TABLE public.restorations (
    line bigint NOT NULL,
    leap bigint NOT NULL,
    floor bigint NOT NULL,
    lists bigint NOT NULL
);
CREATE TABLE public.roots (
    line bigint NOT NULL,
    certificate bytea NOT NULL,
    link bytea NOT NULL
);
CREATE TABLE public.serials (
    prefix text NOT NULL,
    highest bigint NOT NULL,
    barrier bigint DEFAULT 0 NOT NULL
);
CREATE TABLE public.service (
    id bigint NOT NULL,
    tls_ca bytea NOT NULL,
    CONSTRAINT service_id_check CHECK ((id = 1))
);
CREATE TABLE public.tail (
    id bigint NOT NULL,
    version bigint NOT NULL,
    size bigint NOT NULL,
    "time" bigint NOT NULL,
    CONSTRAINT tail_id_check CHECK ((id = 1))
);
CREATE TABLE public.trial (
    id bigint NOT NULL,
    filler bytea NOT NULL,
    CONSTRAINT trial_id_check CHECK ((id = 1))
);
INSERT INTO public.answers VALUES ('LINE1', 'order', '\xa8f4e7384b315c57981240b60c754878324211bdac327826b3ee741a415505ac', 2);
INSERT INTO public.answers VALUES ('LINE1', 'issue', '\xc82f164282f8ba00e63ac1fccb4a420c709fae1605749bff4ec848f4718a8811', 3);
INSERT INTO public.answers VALUES ('LINE2', 'order', '\xa8f4e7384b315c57981240b60c754878324211bdac327826b3ee741a415505ac', 4);
INSERT INTO public.answers VALUES ('LINE2', 'issue', '\x26117b8a7f09ce757b9a0c2f94be90f06b93309be8562b214d8435e3d463a5b0', 5);
INSERT INTO public.answers VALUES ('LINE1', 'deliver', '\x0c7e7235bd31773640997a773d9fbb944345ba32584395c832531fa4170152bb', 6);
INSERT INTO public.answers VALUES ('ADA', 'revoke', '\x8abbd1ea3c72d9f699d6abe43a164a7ee8a9ca9a19fcf788bf46928197d6fd67', 7);
INSERT INTO public.answers VALUES ('ADA', 'publish', '\xa5d47a4311d759db69e576d9eedd6a02fcfd9cd214129fa8492ee1e9c7343def', 8);
INSERT INTO public.answers VALUES ('LINE1', 'third', '\xa8f4e7384b315c57981240b60c754878324211bdac327826b3ee741a415505ac', 9);
INSERT INTO public.answers VALUES ('LINE1', 'ask', '\x4936655ca7e0417132669f344067421bda59da91252218cf1dbdc415a21c7d3d', 10);
INSERT INTO public.challenges VALUES ('\x90aa67ad9be16aa341981bc2d9b268a2', 1795219200, 1, 'ZZOLD00001', NULL, 1);
INSERT INTO public.challenges VALUES ('\x62c578788d68be17d3282f8728140eac', 1795219200, 1, 'ZZOLD00002', NULL, 1);
INSERT INTO public.challenges VALUES ('\xb5d0203e6f40082af0fec91b1f2cdcad', 1795219200, 1, 'ZZOLD00003', NULL, 1);
INSERT INTO public.clients VALUES (1, 'LINE1', 'station', '1111111111111111111111111111111111111111111111111111111111111111', 1795219200, NULL);
INSERT INTO public.clients VALUES (2, 'LINE2', 'station', '2222222222222222222222222222222222222222222222222222222222222222', 1795219200, 1795219200);
INSERT INTO public.clients VALUES (3, 'ADA', 'operator', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 1795219200, NULL);
INSERT INTO public.heads VALUES (1, '{"issuer":"ZZTALLYROOT00001","time":1795219200,"size":1,"root":"bdba2e829f5a4cee78475d794ab38576bcf3692eb42c1e704f250289b0c450d2","signature":"8205ee7c342f619e78589500db749ed73736e9aa695c79dee0ba97a8325417ee8441b8292a256fac55a2bf061a4594b9fe559746e64593ae0ddfa7e2fe281251"}');
INSERT INTO public.heads VALUES (2, '{"issuer":"ZZTALLYROOT00001","time":1795219200,"size":2,"root":"4a70c8fbb5de72fcc38511d2f5a60717e758952f466bccd5f3df2685882916f7","signature":"97239abb29c7da95e865b758e2b4d0b3d5b1d1eedb2111d9b41205f69c7e235225e08a25402b8f0a0bbd7962d7471a04955a5bab3f03bfec78c3d5d6518dcf13"}');
INSERT INTO public.heads VALUES (3, '{"issuer":"ZZTALLYROOT00001","time":1795219200,"size":3,"root":"a37d6b35e9ec73e9c0669845e650371e6bc9cdeaf7d53bceaddd93f9327d272b","signature":"b28ae0afa0a955fca101a0b04ac22e1e9cc08a59fd63aee52b21f4d77c3506bd672fbd07fee8cd341fe9990868f0bc0ed8e23998244a17e39e249ecdd9c19c2f"}');
INSERT INTO public.heads VALUES (4, '{"issuer":"ZZTALLYROOT00001","time":1795219200,"size":4,"root":"08fb59ffab73e52db70421ff507c47e406e85cb267d05f0c629963b3d2e122cd","signature":"cea4ecf2e137ef3eb9901153de7748451c9cbf146cb6b95baf43d01dfe88b07eef2c96d184cea102eb355b654d6d35a768eec379fc34f18c56e53fdd48f62874"}');
INSERT INTO public.heads VALUES (5, '{"issuer":"ZZTALLYROOT00001","time":1795219200,"size":5,"root":"03b376f8992737b118da3b49a6a4fa55422edf454df8a47b340bc59ad08b8fb7","signature":"5ddfe9e7fce06e90db4e8be79a38485e9a7c862c6ccb36744aea27a91ff9344a7e33e7bc9ef96bac24c2ef2bcdfd5c64b59f5cc22077f0aa50199da88eab1255"}');
INSERT INTO public.heads VALUES (6, '{"issuer":"ZZTALLYROOT00001","time":1795219200,"size":6,"root":"43327b547fa2fb7974444b568941d70e837cc247766c82eb70ba7b4673b7ff6c","signature":"dad2aa125372fd4a59c45aa137df042e30c9f71ffd54bae03bea5a0bdd580457973056cb0bb8aa46e58f4392ee2a7377a581a81039f3e9815be4e9994c4af8eb"}');
INSERT INTO public.heads VALUES (7, '{"issuer":"ZZTALLYROOT00001","time":1795219200,"size":7,"root":"a8d88303ae807090157a2f682e6ad6d64ebd42bb69795eebad669340bb2950b8","signature":"024f1d4a56fa9e5a04411bca5c5fa10e2e908859aa3a0eccd3cff470e0a1b844c5cd7a1f878b0be639e3ee6f7eb580b1f32b21116dba2b8457b9bdae4d2b379e"}');
INSERT INTO public.heads VALUES (8, '{"issuer":"ZZTALLYROOT00001","time":1795219200,"size":8,"root":"47935d60c5c83e12577b191447eb763600b43d99328aa77c2b2ebbb44cc4b358","signature":"74087acc331fa9455bfe1aaeed46c1d3f31b661d50a3ee4773bded0e8b0808855cf3aa700e16d53c62445d7429717fa2929a4b0ea4f8e33cf6a736f486f600ba"}');
INSERT INTO public.heads VALUES (9, '{"issuer":"ZZTALLYROOT00001","time":1795219200,"size":9,"root":"2e7e973b0c55e756778b1771a324f71a18b35fe30ef834397e3585b6ec0e22f7","signature":"00137a476bdfffbb47064a72ac487b27f3ddaf5e7bc555ea8c56824b1c489302e42f05d5c061b0c7a50b71b4db0fead84624275a96011535444d504a6b9743d1"}');
INSERT INTO public.heads VALUES (10, '{"issuer":"ZZTALLYROOT00001","time":1795219200,"size":10,"root":"096d41a8d996be3e50bd339e26e662b2ec9a1a09b885b9f87c85884eef5191bf","signature":"bc60900e7adb70495891d5ec7c3a5675c9a0a5c0f34835387169c25e45f8668605172c66b5ec2435bbe1fc73c9f66703d2df3de7c669ba4b0472913120a4b28d"}');
INSERT INTO public.holders VALUES ('ZZOLD00001', 3, 1795219200, 1, '\x0251b8f13695ee10dd418577a86319b864f6abec857e226b641a4f0a2235b630f7', '\xa9f046fb5f4d1fccaefa5818', 0, '\x7f2181bd7f4e775f29010042105a5a54414c4c59524f4f5430303030317f492f060a04007f0007020202020386210251b8f13695ee10dd418577a86319b864f6abec857e226b641a4f0a2235b630f75f200a5a5a4f4c4430303030317f4c0d060488370301530501000000005f25060206010102015f24060301010102005f3740a67e6c8da6352cee701b47a57f992f80d1c88482514893dac2747b5b1e3fb9c1022f43cee47bcd8a827bdeeec7025b8da7c9672ad9fa6cf08e72b8f9b9cf42cc', NULL, 1, NULL);
INSERT INTO public.holders VALUES ('ZZOLD00002', 5, 1795219200, 1, '\x03e6d2aead3044e1e423ea9e43cdefe4115cbd1fb9e12f70171cd7dec0b2e5c420', '\x4c650eb56861dd2e89c8d3fa', 0, '\x7f2181bd7f4e775f29010042105a5a54414c4c59524f4f5430303030317f492f060a04007f00070202020203862103e6d2aead3044e1e423ea9e43cdefe4115cbd1fb9e12f70171cd7dec0b2e5c4205f200a5a5a4f4c4430303030327f4c0d060488370301530501000000005f25060206010102015f24060301010102005f3740de3693c9b59f93fd37fc5a99ee6509eb74fbddbf8dece5cc4a1568b886f905ddb03f8da2c0e48ea84275a55d36e2b6ca7b1fc84e550524dd9ca37c8ef9693e89', NULL, 0, 'lost');
INSERT INTO public.invitations VALUES ('LINE3', 'station', 'cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc', 1795824000);
INSERT INTO public.lines VALUES (1, '{"sequence":1,"time":1795219200,"event":{"kind":"root","holder":"ZZTALLYROOT00001","key_id":"6f7e8c7ff17fa2b1","certificate":"7f218201947f4e82014c5f29010042105a5a54414c4c59524f4f5430303030317f4981fd060a04007f000702020202038120ffffffff00000001000000000000000000000000ffffffffffffffffffffffff8220ffffffff00000001000000000000000000000000fffffffffffffffffffffffc83205ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b8441046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f58520ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc6325518621032953c3c390e1ef38d6b6c28675cba754211525730eab7b127df32e72990eb8838701015f20105a5a54414c4c59524f4f5430303030317f4c0d0604883703015305c0000000005f25060206010102015f24060401010102005f3740967244ace46b325184c816942dbb7cd87f77fd81786511e51a2f44733491c0f6e9541e81c8189b2d237e24c4e6749c8d03bed9a617cf250316b39c8fb64c701a"}}');
INSERT INTO public.lines VALUES (2, '{"sequence":2,"time":1795219200,"by":"LINE1","event":{"kind":"challenge","nonce":"90aa67ad9be16aa341981bc2d9b268a2","role":"card","holder":"ZZOLD00001","replaces":null}}');
INSERT INTO public.lines VALUES (3, '{"sequence":3,"time":1795219200,"by":"LINE1","event":{"kind":"issued","nonce":"90aa67ad9be16aa341981bc2d9b268a2","role":"card","holder":"ZZOLD00001","key_id":"e722fd683d3e5943","replaces":null,"certificate":"7f2181bd7f4e775f29010042105a5a54414c4c59524f4f5430303030317f492f060a04007f0007020202020386210251b8f13695ee10dd418577a86319b864f6abec857e226b641a4f0a2235b630f75f200a5a5a4f4c4430303030317f4c0d060488370301530501000000005f25060206010102015f24060301010102005f3740a67e6c8da6352cee701b47a57f992f80d1c88482514893dac2747b5b1e3fb9c1022f43cee47bcd8a827bdeeec7025b8da7c9672ad9fa6cf08e72b8f9b9cf42cc"}}');
INSERT INTO public.lines VALUES (4, '{"sequence":4,"time":1795219200,"by":"LINE2","event":{"kind":"challenge","nonce":"62c578788d68be17d3282f8728140eac","role":"card","holder":"ZZOLD00002","replaces":null}}');
INSERT INTO public.lines VALUES (5, '{"sequence":5,"time":1795219200,"by":"LINE2","event":{"kind":"issued","nonce":"62c578788d68be17d3282f8728140eac","role":"card","holder":"ZZOLD00002","key_id":"2a1e0474d27296b8","replaces":null,"certificate":"7f2181bd7f4e775f29010042105a5a54414c4c59524f4f5430303030317f492f060a04007f00070202020203862103e6d2aead3044e1e423ea9e43cdefe4115cbd1fb9e12f70171cd7dec0b2e5c4205f200a5a5a4f4c4430303030327f4c0d060488370301530501000000005f25060206010102015f24060301010102005f3740de3693c9b59f93fd37fc5a99ee6509eb74fbddbf8dece5cc4a1568b886f905ddb03f8da2c0e48ea84275a55d36e2b6ca7b1fc84e550524dd9ca37c8ef9693e89"}}');
INSERT INTO public.lines VALUES (6, '{"sequence":6,"time":1795219200,"by":"LINE1","event":{"kind":"delivered","holder":"ZZOLD00001"}}');
INSERT INTO public.lines VALUES (7, '{"sequence":7,"time":1795219200,"by":"ADA","event":{"kind":"revoked","holder":"ZZOLD00002","reason":"lost"}}');
INSERT INTO public.lines VALUES (8, '{"sequence":8,"time":1795219200,"by":"ADA","event":{"kind":"list","sequence":1,"min_epoch":0,"list":"e076e13142105a5a54414c4c59524f4f5430303030318004000000018104000000008203261121830c4c650eb56861dd2e89c8d3fa5f3740e36d358ea389649b08dedb44c6c1ff7495936ddf51b73218a41dbbac62572391a494bd8baf20a5d5e1fbeba4a96535c2471c9f5100ed16517592b29feef5a24e"}}');
INSERT INTO public.lines VALUES (9, '{"sequence":9,"time":1795219200,"by":"LINE1","event":{"kind":"challenge","nonce":"b5d0203e6f40082af0fec91b1f2cdcad","role":"card","holder":"ZZOLD00003","replaces":null}}');
INSERT INTO public.lines VALUES (10, '{"sequence":10,"time":1795219200,"by":"LINE1","event":{"kind":"requested","nonce":"b5d0203e6f40082af0fec91b1f2cdcad","role":"card","holder":"ZZOLD00003","key_id":"8586510687b92fe4","replaces":null,"years":3,"until":1795824000,"request":"7f2181ba7f4e745f29010042105a5a54414c4c59524f4f5430303030317f492f060a04007f000702020202038621035c3b08b91bddad805eb78eba0be00bde947fc7559d18eb6053d5fa0dc4dc6e0e5f200a5a5a4f4c443030303033651d731b0604883703028010b5d0203e6f40082af0fec91b1f2cdcad8101015f3740cfd3bd18285b860bcc4b26d3240734145852c6866146136d5b327e8ce9c13a3839de3fdbbf399bd424351ae43257c262ec6de3d289c1c93e89b00a9cfe9dec9b"}}');
INSERT INTO public.lists VALUES (1, '\xe076e13142105a5a54414c4c59524f4f5430303030318004000000018104000000008203261121830c4c650eb56861dd2e89c8d3fa5f3740e36d358ea389649b08dedb44c6c1ff7495936ddf51b73218a41dbbac62572391a494bd8baf20a5d5e1fbeba4a96535c2471c9f5100ed16517592b29feef5a24e');
INSERT INTO public.nodes VALUES (0, 0, '\xbdba2e829f5a4cee78475d794ab38576bcf3692eb42c1e704f250289b0c450d2');
INSERT INTO public.nodes VALUES (0, 1, '\x37e04fe838ffa0ece4dae51470877f08a4e0f8b08e7e584d00f57aa819bb2840');
INSERT INTO public.nodes VALUES (1, 0, '\x4a70c8fbb5de72fcc38511d2f5a60717e758952f466bccd5f3df2685882916f7');
INSERT INTO public.nodes VALUES (0, 2, '\xd00ac6a341ddaa4453e889fd7f55569146a2a274d69945d08266b5a9366f33c5');
INSERT INTO public.nodes VALUES (0, 3, '\x823e8542b64ce3d15334924e4f08d72599df087041fc8b851dd51e7522389ecb');
INSERT INTO public.nodes VALUES (1, 1, '\x04d4923cc21cac23c0c76b9cb9aadf69907be0005bca579825641915845af0b8');
INSERT INTO public.nodes VALUES (2, 0, '\x08fb59ffab73e52db70421ff507c47e406e85cb267d05f0c629963b3d2e122cd');
INSERT INTO public.nodes VALUES (0, 4, '\x3d1b0598fc0ba877622bd40afe186730f8010d5a7d57b20cc88056f190fde147');
INSERT INTO public.nodes VALUES (0, 5, '\xc8b75329bf267a90b36f0e0f2f4aef343ea1c474d2b1540ed42834eee5a72b15');
INSERT INTO public.nodes VALUES (1, 2, '\x4cd1b943274b563f34607fe6bba87b3e57249b075cc87088eff15d52465930df');
INSERT INTO public.nodes VALUES (0, 6, '\x89b333184934bca0e9f247d5936f002f854053d7a411cd42e5cec36c23cc0763');
INSERT INTO public.nodes VALUES (0, 7, '\x1a59ea9dbe641719d0a1b171c7fda7a35ec5793d0561d7be5ccd140938133d73');
INSERT INTO public.nodes VALUES (1, 3, '\x68ff77d88b5c263d5c23502b71f29c9367f58cd15de6a0e0e8d03e630d07a575');
INSERT INTO public.nodes VALUES (2, 1, '\x4d561e75cd36cacb824651815297328e1932c5f934c10cffe20742b2697ac5da');
INSERT INTO public.nodes VALUES (3, 0, '\x47935d60c5c83e12577b191447eb763600b43d99328aa77c2b2ebbb44cc4b358');
INSERT INTO public.nodes VALUES (0, 8, '\x6ae219d649df209912a0c6ef1f1c136dfa6db0700a86741ba462694246ce4605');
INSERT INTO public.nodes VALUES (0, 9, '\xabd18781c9b33b0d9c8bf209c963426e0ee4e8f2b08621ed9028545796313890');
INSERT INTO public.nodes VALUES (1, 4, '\xda11afe67b0679f2776cedca14d1148def0a1e72c17a8638c24472e07bd94566');
INSERT INTO public.requests VALUES (10, 1795219200, 'LINE1', 'ZZOLD00003', '\x035c3b08b91bddad805eb78eba0be00bde947fc7559d18eb6053d5fa0dc4dc6e0e', 1, NULL, 3, 1795824000, '\x7f2181ba7f4e745f29010042105a5a54414c4c59524f4f5430303030317f492f060a04007f000702020202038621035c3b08b91bddad805eb78eba0be00bde947fc7559d18eb6053d5fa0dc4dc6e0e5f200a5a5a4f4c443030303033651d731b0604883703028010b5d0203e6f40082af0fec91b1f2cdcad8101015f3740cfd3bd18285b860bcc4b26d3240734145852c6866146136d5b327e8ce9c13a3839de3fdbbf399bd424351ae43257c262ec6de3d289c1c93e89b00a9cfe9dec9b', NULL, NULL);
INSERT INTO public.roots VALUES (1, '\x7f218201947f4e82014c5f29010042105a5a54414c4c59524f4f5430303030317f4981fd060a04007f000702020202038120ffffffff00000001000000000000000000000000ffffffffffffffffffffffff8220ffffffff00000001000000000000000000000000fffffffffffffffffffffffc83205ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b8441046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f58520ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc6325518621032953c3c390e1ef38d6b6c28675cba754211525730eab7b127df32e72990eb8838701015f20105a5a54414c4c59524f4f5430303030317f4c0d0604883703015305c0000000005f25060206010102015f24060401010102005f3740967244ace46b325184c816942dbb7cd87f77fd81786511e51a2f44733491c0f6e9541e81c8189b2d237e24c4e6749c8d03bed9a617cf250316b39c8fb64c701a', '\x');
INSERT INTO public.serials VALUES ('ZZOLD', 3, 0);
INSERT INTO public.service VALUES (1, '\x0707070707070707070707070707070707070707070707070707070707070707');
INSERT INTO public.tail VALUES (1, 2, 10, 1795219200);
ALTER TABLE ONLY public.answers
    ADD CONSTRAINT answers_pkey PRIMARY KEY (client, word);
ALTER TABLE ONLY public.challenges
    ADD CONSTRAINT challenges_pkey PRIMARY KEY (nonce);
ALTER TABLE ONLY public.clients
    ADD CONSTRAINT clients_fingerprint_key UNIQUE (fingerprint);
ALTER TABLE ONLY public.clients
    ADD CONSTRAINT clients_pkey PRIMARY KEY (place);
ALTER TABLE ONLY public.heads
    ADD CONSTRAINT heads_pkey PRIMARY KEY (size);
ALTER TABLE ONLY public.holders
    ADD CONSTRAINT holders_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.holders
    ADD CONSTRAINT holders_point_key UNIQUE (point);
ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT invitations_code_key UNIQUE (code);
ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT invitations_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.lines
    ADD CONSTRAINT lines_pkey PRIMARY KEY (sequence);
ALTER TABLE ONLY public.lists
    ADD CONSTRAINT lists_pkey PRIMARY KEY (sequence);
ALTER TABLE ONLY public.nodes
    ADD CONSTRAINT nodes_pkey PRIMARY KEY (level, place);
ALTER TABLE ONLY public.requests
    ADD CONSTRAINT requests_holder_key UNIQUE (holder);
ALTER TABLE ONLY public.requests
    ADD CONSTRAINT requests_pkey PRIMARY KEY (line);
ALTER TABLE ONLY public.requests
    ADD CONSTRAINT requests_point_key UNIQUE (point);
ALTER TABLE ONLY public.restorations
    ADD CONSTRAINT restorations_pkey PRIMARY KEY (line);
ALTER TABLE ONLY public.roots
    ADD CONSTRAINT roots_pkey PRIMARY KEY (line);
ALTER TABLE ONLY public.serials
    ADD CONSTRAINT serials_pkey PRIMARY KEY (prefix);
ALTER TABLE ONLY public.service
    ADD CONSTRAINT service_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.tail
    ADD CONSTRAINT tail_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.trial
    ADD CONSTRAINT trial_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX clients_active ON public.clients USING btree (name) WHERE (revoked IS NULL);
CREATE INDEX holders_revoked ON public.holders USING btree (epoch) WHERE (revoked IS NOT NULL);
CREATE INDEX holders_waiting ON public.holders USING btree (role, issued) WHERE ((delivered = 0) AND (revoked IS NULL));
CREATE INDEX requests_waiting ON public.requests USING btree (line) WHERE ((issued IS NULL) AND (refused IS NULL));
