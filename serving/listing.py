"""`GET /v1/models`: the champion, and all versions that rounds registered."""

from typing import Annotated

from fastapi import APIRouter, Depends

from core.errors import RoundsError
from serving.access import AnyCaller
from serving.context import Serving, serving_of
from serving.errors import ApiError, responses, unavailable
from serving.names import Name
from serving.schema import ListedModel, ModelList
from serving.versions import NO_REGISTRY, in_time
from tasks.registry.versions import CHAMPION

router = APIRouter(tags=["chat"])


@router.get("/v1/models", responses=responses(401, 403, 429, 500, 503))
async def models(_: AnyCaller, serving: Annotated[Serving, Depends(serving_of)]) -> ModelList:
    """List what can be asked; without the registry, what is in memory."""
    return ModelList(data=await _listed(serving))


@router.get("/v1/models/{model:path}", responses=responses(400, 401, 403, 404, 429, 500, 503))
async def model(model: Name, _: AnyCaller, serving: Annotated[Serving, Depends(serving_of)]) -> ListedModel:
    """One of them."""
    listed = await _listed(serving)
    found = next((each for each in listed if model in (each.id, each.id.removeprefix("policy/"))), None)
    if found is None:
        raise ApiError(404, f"there is no model {model!r}; see /v1/models", "model", "model_not_found")
    return found


async def _listed(serving: Serving) -> list[ListedModel]:
    state = serving.follower.state
    try:
        registered = await in_time(serving.follower.listed())
        versions = {version.version: int(version.created.timestamp()) for version in registered}
    except (RoundsError, TimeoutError) as error:
        if state.champion is None:
            raise unavailable(str(error) or NO_REGISTRY, "no_champion") from error
        versions = dict.fromkeys(state.loaded, 0)
    named = [ListedModel(id=f"policy/{number}", created=created) for number, created in versions.items()]
    champion = [ListedModel(id=CHAMPION, created=versions.get(state.champion, 0))] if state.champion else []
    return champion + named
