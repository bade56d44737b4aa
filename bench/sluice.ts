/**
 * The one place that says where ours is: the build beside this folder, made by `npm run build` in the project's root.
 *
 * Neither `"sluice": "file:.."` nor a copy in `node_modules`: a link would write the root's dependencies into this folder's
 * lock, which then breaks `npm ci` whenever the root changes. A plain path works on every fresh clone, under Node, tsx and Bun.
 */

export * from '../dist/index.js'
