"""A training with Lightning that says how long its model waits for data."""

import lightning
import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from spritedocs import watch

SPRITES = TensorDataset(torch.rand(1024, 768), torch.randint(10, (1024,)))


class Data(lightning.LightningDataModule):
    def train_dataloader(self):
        loader = DataLoader(
            SPRITES,
            batch_size=64,
            shuffle=True,
            num_workers=2,
            persistent_workers=True,
        )
        return watch(loader, name="training")

    def val_dataloader(self):
        return watch(DataLoader(SPRITES, batch_size=64), name="validation")


class Model(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(768, 10)

    def training_step(self, batch, index):
        pictures, kinds = batch
        return cross_entropy(self.layer(pictures), kinds)

    def validation_step(self, batch, index):
        self.log("loss", self.training_step(batch, index))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def to_tune():
    return Data().train_dataloader()


if __name__ == "__main__":
    trainer = lightning.Trainer(
        max_epochs=2, logger=False, enable_checkpointing=False
    )
    trainer.fit(Model(), Data())
