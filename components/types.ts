import { PRODUCT } from "../names";

/** Type token of one of our components. */
export function componentType(name: string): string {
  return `${PRODUCT}:index:${name}`;
}
