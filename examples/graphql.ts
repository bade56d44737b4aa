/**
 * GraphQL with loaders of each request's own, over a cache of the process: what does not depend on who asks is loaded once for everybody, what does
 * lives as long as the request.
 */

import { buildSchema, graphql } from 'graphql'
import { BatchProcessor, type Loader } from 'sluice'

const schema = buildSchema(`
  type User { name: String! }
  type Post { title: String!, author: User!, liked: Boolean! }
  type Query { posts: [Post!]! }
`)

interface User {
  readonly name: string
}

interface Context {
  readonly users: Loader<number, User>
  readonly likes: Loader<number, boolean>
}

// The database, which says what it is asked.
const POSTS = [
  { id: 1, title: 'On sluices', authorId: 7 },
  { id: 2, title: 'On weirs', authorId: 8 },
  { id: 3, title: 'On locks', authorId: 7 },
]
async function findUsers(ids: readonly number[]): Promise<User[]> {
  console.log(`  select from users where id in (${ids})`)
  return ids.map((id) => ({ name: `user ${id}` }))
}
async function findLikes(viewer: string, ids: readonly number[]): Promise<boolean[]> {
  console.log(`  select from likes where user = '${viewer}' and post in (${ids})`)
  return ids.map((id) => id % 2 === viewer.length % 2)
}

// Resolvers: each asks for its own key, and knows nothing of batches.
const resolvers = {
  posts: () =>
    POSTS.map(({ id, title, authorId }) => ({
      title,
      author: (_: object, { users }: Context) => users.load(authorId),
      liked: (_: object, { likes }: Context) => likes.load(id),
    })),
}

const ofProcess = new BatchProcessor({ maxEntries: 50_000, ttl: 60_000 })

async function handle(viewer: string): Promise<void> {
  console.log(`${viewer} asks`)
  const ofRequest = new BatchProcessor()
  const contextValue: Context = {
    users: ofProcess.loader(findUsers, { prefix: 'user:', cacheKey: String }),
    likes: ofRequest.loader((ids: readonly number[]) => findLikes(viewer, ids), { cacheKey: String }),
  }
  const source = '{ posts { title author { name } liked } }'
  const { data, errors } = await graphql({ schema, source, rootValue: resolvers, contextValue })
  await ofRequest.close()
  if (errors) throw errors[0]
  const { posts } = data as { posts: readonly { title: string; author: User; liked: boolean }[] }
  for (const { title, author, liked } of posts) console.log(`${title}, by ${author.name}${liked ? ', liked' : ''}`)
}

await handle('ada')
await handle('anne')

/* It prints:

ada asks
  select from users where id in (7,8)
  select from likes where user = 'ada' and post in (1,2,3)
On sluices, by user 7, liked
On weirs, by user 8
On locks, by user 7, liked
anne asks
  select from likes where user = 'anne' and post in (1,2,3)
On sluices, by user 7
On weirs, by user 8, liked
On locks, by user 7
*/
